package import ByteIO
package import JSONText
package import Quantization
import SafetensorsFormat
import TensorCore

/// Writes a .qnf in a stream: the plan first, then data of any tensor from any thread, the header last.
package struct QNFWriter: Sendable {
    package let plan: QNFPlan
    private let assembly: QNFAssembly
    private let checksums: ChecksumTable

    private var writer: SafetensorsWriter { assembly.writer }

    /// - Parameters:
    ///   - settings: what stands under `qnf.settings`.
    ///   - lineagePlaceholder: a lineage as long as the final one will be.
    package init(plan: QNFPlan, file: OutputFile, settings: JSONValue, lineagePlaceholder: JSONValue) throws(FileError) {
        self.plan = plan
        checksums = ChecksumTable(tensorCount: plan.stored.count)
        assembly = try QNFAssembly(
            stored: plan.stored, trailingCount: plan.trailingCount, file: file, settings: settings, lineagePlaceholder: lineagePlaceholder)
    }

    /// Bytes of the file of such a plan; a few less where quant states turn out shorter than their greatest length.
    package static func byteCount(plan: QNFPlan, settings: JSONValue, lineagePlaceholder: JSONValue) throws(FileError) -> Int {
        try QNFAssembly.byteCount(stored: plan.stored, settings: settings, lineagePlaceholder: lineagePlaceholder)
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
        return try assembly.finish(streamedByteCount: undoByteCount, trailing: blobs, lineage: lineage) { index, info in
            guard let checksum = checksums.checksum(ofTensor: index, byteCount: info.byteCount) else {
                preconditionFailure("tensor '\(info.name)' was not written completely")
            }
            return checksum
        }
    }
}
