package import ByteIO
import JSONText
import SafetensorsFormat
import Synchronization
import TensorCore

/// Writes an adapter in a stream, as a `.lora` file or as the two files of a PEFT folder: the plan first, then data.
///
/// The same plan and values give the same bytes. Nothing is put in place before the caller commits:
///
///     let output = try AtomicOutput(destination: path, isFolder: form == .peft, replaces: force, inputs: adapter.files)
///     let writer = try AdapterWriter(form, of: plan, to: output)
///     for index in plan.tensors.indices { try writer.write(values[index], tensor: index) }
///     try output.commit(writer.finish())
package struct AdapterWriter: Sendable {
    package let plan: AdapterPlan
    /// Bytes of all files together.
    package let byteCount: Int
    private let writer: SafetensorsWriter
    private let files: [OutputFile]
    private let form: Adapter.Form
    private let checksums: TensorChecksums

    /// - Parameter output: a file for a `.lora`, a folder for PEFT.
    package init(_ form: Adapter.Form, of plan: AdapterPlan, to output: borrowing AtomicOutput) throws(FileError) {
        precondition(form == .peft || form == .lora, "adapters of other programs are exported")
        self.plan = plan
        self.form = form
        checksums = TensorChecksums(count: plan.tensors.count)
        let file = form == .lora ? try output.file() : try output.createFile(named: Adapter.weightsName)
        writer = try SafetensorsWriter(
            file: file, plan: plan.tensors, metadata: plan.metadata(form, checksums: plan.tensors.map { _ in CRC32C() }))
        let weightByteCount = writer.dataStart + plan.tensors.reduce(0) { $0 + $1.byteCount }
        guard form == .peft else {
            files = [file]
            byteCount = weightByteCount
            return
        }
        let guide = try output.createFile(named: Adapter.configurationName)
        let text = Array(JSONValue.object(plan.configuration.document).text(.indented).utf8)
        try guide.write(text, atOffset: 0)
        files = [file, guide]
        byteCount = weightByteCount + text.count
    }

    /// Writes the stored bytes of tensor `index` of the plan; pieces of one tensor come in order, the first with offset 0.
    package func write(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0) throws(FileError) {
        checksums.append(bytes, tensor: index, atByteOffset: offset)
        try writer.write(bytes, tensor: index, atByteOffset: offset)
    }

    /// Writes all elements of tensor `index` of the plan, rounded to its type.
    ///
    /// - Throws: where one of them is no finite number, or too large for the type: no reader would accept the adapter.
    package func write(_ values: [Float], tensor index: Int) throws(FileError) {
        let info = plan.tensors[index]
        precondition(values.count == info.elementCount, "\(values.count) values for shape \(info.shape)")
        var bytes = [UInt8](repeating: 0, count: info.byteCount)
        var span = bytes.mutableSpan
        var destination = span.mutableBytes
        FloatConversion.narrow(values.span, to: info.scalarType, into: &destination)
        if let element = FiniteScan.firstNonfinite(bytes.span.bytes, of: info.scalarType) {
            throw FileError(
                writer.file.path, at: "tensor '\(info.name)'",
                "element \(element) would be \(values[element]), which \(info.scalarType.rawValue) cannot hold as a finite number")
        }
        try bytes.withBytes { buffer throws(FileError) in try write(buffer, tensor: index) }
    }

    /// Writes the header and returns the files to commit; every tensor has been written completely.
    package func finish() throws(FileError) -> [OutputFile] {
        let values = checksums.finished(plan.tensors.map(\.byteCount))
        try writer.finish(checksumKey: AdapterMetadata.Key.headerChecksum) { _ in plan.metadata(form, checksums: values) }
        return files
    }
}

/// Checksums of tensors whose pieces arrive in order.
private final class TensorChecksums: Sendable {
    private let states: Mutex<[(checksum: CRC32C, byteCount: Int)]>

    init(count: Int) { states = Mutex(Array(repeating: (CRC32C(), 0), count: count)) }

    func append(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int) {
        let checksum = CRC32C(of: bytes)
        states.withLock { states in
            precondition(states[index].byteCount == offset, "pieces of a tensor are written in order")
            states[index].checksum.append(checksum, byteCount: bytes.count)
            states[index].byteCount += bytes.count
        }
    }

    func finished(_ byteCounts: [Int]) -> [CRC32C] {
        states.withLock { states in
            for (state, byteCount) in zip(states, byteCounts) {
                precondition(state.byteCount == byteCount, "every tensor is written completely")
            }
            return states.map(\.checksum)
        }
    }
}
