import ByteIO
import Checkpoints
import Quantization
import TensorCore
import TestSupport

/// A quantized weight in parts, each of which a test may change, and the files beside it.
struct PackedFile {
    static let module = "model.layers.0.mlp.up_proj"

    /// Parts by what follows the module in their names.
    var parts: [(end: String, tensor: StoredTensor)] = []
    var config: String?
    var metadata: KeyValuePairs<String, String> = [:]
    var others: [StoredTensor] = []

    subscript(end: String) -> StoredTensor? {
        get { parts.first { $0.end == end }?.tensor }
        set {
            parts.removeAll { $0.end == end }
            if let newValue { parts.append((end, newValue)) }
        }
    }

    mutating func set(_ end: String, _ type: ScalarType, _ dimensions: [Int], _ bytes: [UInt8]) {
        self[end] = StoredTensor(Self.module + end, type, dimensions, bytes)
    }

    /// A part of equal bytes.
    mutating func set(_ end: String, _ type: ScalarType, _ dimensions: [Int], filling byte: UInt8 = 0) {
        set(end, type, dimensions, Array(repeating: byte, count: dimensions.reduce(1, *) * type.bitCount / 8))
    }

    mutating func set(_ end: String, _ dimensions: [Int], integers: [some FixedWidthInteger], _ type: ScalarType) {
        set(end, type, dimensions, integers.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } })
    }

    mutating func set(_ end: String, _ dimensions: [Int], bfloats: [Float]) {
        self[end] = StoredTensor(Self.module + end, .bf16, dimensions, bitPatterns: bfloats.map { UInt16($0.bitPattern >> 16) })
    }

    func open(_ folder: TemporaryFolder) throws -> Checkpoint {
        if let config { try folder.write(config, to: "config.json") }
        try folder.write((parts.map(\.tensor) + others).safetensors(metadata: metadata), to: "model.safetensors")
        return try Checkpoint.open(folder.path)
    }

    /// All elements of the one weight.
    func elements() throws -> [Float] {
        let folder = try TemporaryFolder()
        let checkpoint = try open(folder)
        guard let tensor = checkpoint.tensors.first(where: \.isEncoded) else { throw SupportError("no weight is decoded") }
        return try checkpoint.reader(of: tensor).allElements()
    }

    /// What is said where the file is opened, or its weights are asked for: the place, and what is wrong there.
    func refusal() throws -> String? {
        let folder = try TemporaryFolder()
        do { try open(folder).requireReadableWeights() } catch let error as FileError {
            return [error.place, error.message].compactMap { $0 }.joined(separator: ": ")
        }
        return nil
    }
}
