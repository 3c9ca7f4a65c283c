import ByteIO
import Checkpoints
import ModelLoading
import Parallelism
import TensorCore
import TestSupport
import Testing
import Transformer

/// What transformers computed for one of the models in `Tests/Fixtures/transformer`.
struct Reference {
    let ids: [Int32]
    /// [T, V].
    let logits: [Float]
    /// [T, C]: of the embedding, after each layer; the last one after the final norm.
    let hidden: [[Float]]

    init(_ name: String) throws { try self.init(file: Fixture.transformer("\(name)/reference.safetensors")) }

    init(file path: String) throws {
        let tensors = try storedTensors(at: path)
        ids = try #require(tensors["ids"]).bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
        logits = try #require(tensors["logits"]).floats
        var hidden: [[Float]] = []
        while let states = tensors["hidden_\(hidden.count)"] { hidden.append(states.floats) }
        self.hidden = hidden
    }
}

extension LoadedModel {
    static func open(_ path: String) throws -> LoadedModel { try LoadedModel(try Checkpoint.open(path)) }

    /// A session that computes in float32 throughout.
    func exactSession(threadCount: Int = 2, contextLength: Int = 32) -> InferenceSession {
        InferenceSession(
            configuration, weights, engine: MatrixEngine(pool: WorkerPool(threadCount: threadCount)), contextLength: contextLength,
            cacheType: .f32)
    }
}

/// The largest difference, in proportion to the largest value.
func relativeDifference(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count, let largest = b.map(\.magnitude).max(), largest > 0 else { return .infinity }
    return zip(a, b).reduce(0) { max($0, ($1.0 - $1.1).magnitude.isNaN ? .infinity : ($1.0 - $1.1).magnitude) } / largest
}

extension InferenceSession {
    /// Logits [T, V] of all tokens.
    func allLogits(_ ids: [Int32]) throws -> [Float] {
        var logits: [Float] = []
        try append(ids) { _, rows in logits += Array(rows) }
        return logits
    }
}
