package import ByteIO
package import JSONText
package import SafetensorsFormat
package import TensorCore

/// A .qnf of tensors whose bytes come from anywhere, with their checksums: room for the header first, the header last.
package struct QNFAssembly: Sendable {
    package let writer: SafetensorsWriter
    private let settings: JSONValue

    /// - Parameters:
    ///   - stored: all tensors in the order of the data; the last `trailingCount`, which are bytes, with their greatest length.
    ///   - settings: what stands under `qnf.settings`.
    ///   - lineagePlaceholder: a lineage as long as the final one will be.
    package init(
        stored: [TensorInfo], trailingCount: Int, file: OutputFile, settings: JSONValue, lineagePlaceholder: JSONValue
    ) throws(FileError) {
        self.settings = settings
        writer = try SafetensorsWriter(
            file: file, plan: stored, trailingCount: trailingCount,
            metadata: Self.placeholder(stored.count, settings: settings, lineage: lineagePlaceholder))
    }

    /// Bytes of the file of such tensors; a few less where trailing ones turn out shorter than their greatest length.
    static func byteCount(stored: [TensorInfo], settings: JSONValue, lineagePlaceholder: JSONValue) throws(FileError) -> Int {
        try SafetensorsWriter.byteCount(
            plan: stored, metadata: placeholder(stored.count, settings: settings, lineage: lineagePlaceholder))
    }

    /// Writes trailing tensors and header; every other tensor has been written completely.
    ///
    /// - Parameters:
    ///   - streamedByteCount: of the first trailing tensor, where it was streamed.
    ///   - trailing: the bytes of the (other) trailing ones.
    ///   - checksum: of a tensor that was written, by its index.
    /// - Returns: the fingerprint of the weights.
    package func finish(
        streamedByteCount: Int? = nil, trailing: [[UInt8]], lineage: JSONValue, checksum: (Int, TensorInfo) -> CRC32C
    ) throws(FileError) -> Fingerprint {
        var fingerprint: Fingerprint?
        try writer.finish(
            streamedByteCount: streamedByteCount, trailing: trailing, checksumKey: QNFMetadata.Key.headerChecksum
        ) { tensors in
            let fixedCount = tensors.count - trailing.count
            let values = tensors.indices.map { index in
                index < fixedCount ? checksum(index, tensors[index]) : CRC32C(of: trailing[index - fixedCount])
            }
            let found = Fingerprint(of: tensors, checksums: values, where: QNFMetadata.isWeight)
            fingerprint = found
            return QNFMetadata.members(checksums: values, fingerprint: found.description, settings: settings, lineage: lineage)
        }
        guard let fingerprint else { preconditionFailure("the metadata is asked for") }
        return fingerprint
    }

    private static func placeholder(_ count: Int, settings: JSONValue, lineage: JSONValue) -> [(key: String, value: String)] {
        QNFMetadata.members(
            checksums: Array(repeating: CRC32C(), count: count), fingerprint: Fingerprint.placeholder, settings: settings,
            lineage: lineage)
    }
}
