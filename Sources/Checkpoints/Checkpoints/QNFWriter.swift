package import ByteIO
package import JSONText
package import Quantization
import SafetensorsFormat
import TensorCore

/// Writes a .qnf in a stream: the plan first, then data of any tensor from any thread, the header last.
package struct QNFWriter: Sendable {
    package let plan: QNFPlan
    private let writer: SafetensorsWriter
    private let checksums: ChecksumTable
    private let settings: JSONValue

    /// - Parameters:
    ///   - settings: what stands under `qnf.settings`.
    ///   - lineagePlaceholder: a lineage as long as the final one will be.
    package init(plan: QNFPlan, file: OutputFile, settings: JSONValue, lineagePlaceholder: JSONValue) throws(FileError) {
        self.plan = plan
        self.settings = settings
        checksums = ChecksumTable(tensorCount: plan.stored.count)
        writer = try SafetensorsWriter(
            file: file, plan: plan.stored, trailingCount: plan.trailingCount,
            metadata: Self.placeholder(plan, settings: settings, lineage: lineagePlaceholder))
    }

    /// Bytes of the file of such a plan; a few less where quant states turn out shorter than their greatest length.
    package static func byteCount(plan: QNFPlan, settings: JSONValue, lineagePlaceholder: JSONValue) throws(FileError) -> Int {
        try SafetensorsWriter.byteCount(
            plan: plan.stored, metadata: placeholder(plan, settings: settings, lineage: lineagePlaceholder))
    }

    /// Writes bytes of a stored tensor (an index of `plan.stored`) from byte `offset` of it on.
    package func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int = 0) throws(FileError) {
        checksums.record(bytes, tensor: index, atByteOffset: offset)
        try writer.write(bytes, tensor: index, atByteOffset: offset)
    }

    package func write<Element: BitwiseCopyable>(_ elements: [Element], stored index: Int) throws(FileError) {
        try elements.withBytes { buffer throws(FileError) in try write(buffer, stored: index) }
    }

    /// Reads back bytes of a stored tensor that were written.
    package func read(stored index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try writer.read(tensor: index, atByteOffset: offset, into: buffer)
    }

    /// Writes bytes of the undo record that the plan has room for; in order, and from one thread at a time.
    package func writeUndoRecord(_ bytes: [UInt8], atByteOffset offset: Int) throws(FileError) {
        precondition(plan.hasUndoRecord, "the plan has an undo record")
        bytes.withUnsafeBytes { checksums.record($0, tensor: plan.stored.count - plan.trailingCount, atByteOffset: offset) }
        try writer.writeStreamed(bytes, atByteOffset: offset)
    }

    /// Writes the companion files.
    package func writeFiles() throws(FileError) {
        for (file, place) in zip(plan.files, plan.filePlaces) { try write(try file.bytes(), stored: place) }
    }

    /// Writes quant states and header; every other tensor has been written completely.
    ///
    /// - Parameters:
    ///   - states: the quant state of each planned tensor; nil for plain ones.
    ///   - undoByteCount: bytes of the undo record; nil where the plan has none.
    /// - Returns: the fingerprint of the weights.
    package func finish(states: [QuantState?], undoByteCount: Int? = nil, lineage: JSONValue) throws(FileError) -> Fingerprint {
        precondition((undoByteCount != nil) == plan.hasUndoRecord, "an undo record that was planned is written")
        var blobs = [[UInt8]](repeating: [], count: plan.trailingCount - (plan.hasUndoRecord ? 1 : 0))
        for (place, state) in zip(plan.places, states) {
            guard case .quantized(let parts) = place else { continue }
            guard let state else { preconditionFailure("a quantized tensor has a quant state") }
            blobs[parts.stateBlob] = Array(state.jsonText.utf8)
        }
        var fingerprint: Fingerprint?
        try writer.finish(streamedByteCount: undoByteCount, trailing: blobs, checksumKey: QNFMetadata.Key.headerChecksum) { tensors in
            let fixedCount = tensors.count - blobs.count
            let values = tensors.indices.map { index in
                guard index < fixedCount else { return CRC32C(of: blobs[index - fixedCount]) }
                guard let checksum = checksums.checksum(ofTensor: index, byteCount: tensors[index].byteCount) else {
                    preconditionFailure("tensor '\(tensors[index].name)' was not written completely")
                }
                return checksum
            }
            let found = Fingerprint(of: tensors, checksums: values, where: QNFMetadata.isWeight)
            fingerprint = found
            return QNFMetadata.members(checksums: values, fingerprint: found.description, settings: settings, lineage: lineage)
        }
        guard let fingerprint else { preconditionFailure("the metadata is asked for") }
        return fingerprint
    }

    private static func placeholder(_ plan: QNFPlan, settings: JSONValue, lineage: JSONValue) -> [(key: String, value: String)] {
        QNFMetadata.members(
            checksums: Array(repeating: CRC32C(), count: plan.stored.count), fingerprint: Fingerprint.placeholder, settings: settings,
            lineage: lineage)
    }
}
