package import ByteIO
import JSONText
package import TensorCore

/// A LoRA adapter: a PEFT folder, a `.lora` file, a GGUF file or one of MLX, opened and validated; no weight is read yet.
///
/// What it says is checked against itself here, and against a base by `AdapterBinding`.
///
///     let adapter = try Adapter.open("my.lora")
///     for module in adapter.modules {
///         guard let update = module.update else { continue }
///         let a = try adapter.values(of: update.a)   // [rank, in], row-major
///         let b = try adapter.values(of: update.b)   // [out, rank]
///     }
package struct Adapter: Sendable {
    package enum Form: String, Sendable, Hashable {
        case peft = "PEFT folder"
        case lora = ".lora file"
        /// It is written for a base, whose heads' rows it pairs.
        case gguf = "GGUF file"
        /// Read under PEFT's names.
        case mlx = "MLX adapter"
    }

    package let path: String
    package let form: Form
    package let configuration: AdapterConfiguration
    /// Sorted by the bytes of their names; of one module the low-rank factors come first.
    package internal(set) var modules: [AdapterModule]
    /// Of the weights of the base that it was trained on (`sha256:` and 64 digits); nil where the file does not tell.
    package let baseFingerprint: String?
    /// The program that wrote the adapter; nil where the file does not tell.
    package let tool: String?
    /// Texts of training records that the trainer was asked to leave there, as the model read them; none in most.
    package let sample: [String]
    /// What is odd about the adapter, but no reason to refuse it.
    package let warnings: [String]
    /// The files it consists of, which no output may replace.
    package let files: [InputFile]
    /// The stored tensors, as other checkpoints have them.
    package internal(set) var source: AdapterSource

    init(
        path: String, form: Form, stored: any TensorSource, metadata: AdapterMetadata? = nil, configuration: AdapterConfiguration,
        guides: [InputFile] = [], warnings: [String] = []
    ) throws(FileError) {
        let collector = try ModuleCollector(stored.tensors, configuration: configuration, path: stored.path)
        self.path = path
        self.form = form
        self.configuration = configuration
        modules = collector.modules
        self.warnings = collector.warnings + warnings
        baseFingerprint = metadata?.baseFingerprint
        tool = metadata?.tool
        sample = metadata?.sample ?? []
        files = stored.files + guides
        source = AdapterSource(stored: stored, checksums: metadata?.checksums)
    }

    /// Where files lie that belong to it; nil of a file that stands alone.
    package var folder: String? {
        guard form == .peft else { return nil }
        return FilePath.kind(of: path) == .folder ? path : FilePath.folder(of: path)
    }

    /// All stored tensors, in the order of the file.
    package var tensors: [TensorInfo] { source.tensors }

    /// Numbers that training changed.
    package var trainedCount: Int { modules.reduce(0) { $0 + $1.trainedCount } }

    /// Bytes of all stored tensors.
    package var storedByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

    /// All elements of a tensor in float32, row-major: exact, since adapters are stored as F32, F16 or BF16, or decoded to F32.
    ///
    /// - Throws: where the file cannot be read, differs from its checksum, or holds a NaN or an infinity.
    package func values(of tensor: AdapterTensor) throws(FileError) -> [Float] {
        let bytes = try bytes(of: tensor)
        try checkFinite(bytes, of: tensor, from: 0)
        var values = [Float](repeating: 0, count: tensor.info.elementCount)
        var span = values.mutableSpan
        FloatConversion.widen(bytes.span.bytes, of: tensor.info.scalarType, into: &span)
        return values
    }

    /// Elements of a tensor from `start` on in float32, as many as `values` has room for: for tensors too large to hold.
    ///
    /// The checksum covers only the whole tensor and is not compared.
    package func read(_ tensor: AdapterTensor, from start: Int, into values: inout MutableSpan<Float>) throws(FileError) {
        let elementByteCount = tensor.info.scalarType.bitCount / 8
        precondition(start >= 0 && start + values.count <= tensor.info.elementCount, "a read leaves its tensor")
        var bytes = [UInt8](repeating: 0, count: values.count * elementByteCount)
        try read(tensor, atByteOffset: start * elementByteCount, into: &bytes)
        try checkFinite(bytes, of: tensor, from: start)
        FloatConversion.widen(bytes.span.bytes, of: tensor.info.scalarType, into: &values)
    }

    /// The stored bytes of a tensor, compared with its checksum where there is one.
    package func bytes(of tensor: AdapterTensor) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: tensor.info.byteCount)
        try read(tensor, atByteOffset: 0, into: &bytes)
        try checkChecksum(CRC32C(of: bytes), ofTensor: tensor.index)
        return bytes
    }

    /// Fills `bytes` with stored bytes of a tensor, from byte `offset` of it on.
    func read(_ tensor: AdapterTensor, atByteOffset offset: Int, into bytes: inout [UInt8]) throws(FileError) {
        try bytes.withMutableBytes { buffer throws(FileError) in
            try source.read(tensor: tensor.index, atByteOffset: offset, into: buffer)
        }
    }

    /// Refuses a tensor whose bytes have another checksum than the file says.
    func checkChecksum(_ found: CRC32C, ofTensor index: Int) throws(FileError) {
        guard let stated = source.storedChecksum(ofTensor: index), stated != found else { return }
        throw FileError(
            source.path, at: place(of: tensors[index].name), "its checksum is \(found), but the file says \(stated)",
            hint: "the file is damaged; fetch or make it again")
    }

    func checkFinite(_ bytes: [UInt8], of tensor: AdapterTensor, from start: Int) throws(FileError) {
        guard let index = FiniteScan.firstNonfinite(bytes.span.bytes, of: tensor.info.scalarType) else { return }
        throw FileError(
            source.path, at: place(of: tensor.info.name), "element \(start + index) is no finite number",
            hint: "training diverged, or the file is damaged; take an earlier state of the adapter")
    }

    private func place(of name: String) -> String { "tensor '\(JSONError.excerpt(name))'" }
}
