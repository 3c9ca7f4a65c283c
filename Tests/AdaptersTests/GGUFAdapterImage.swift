import ByteIO
import GGUFFormat
import TensorCore
import TestSupport

@testable import Adapters

/// A GGUF adapter of a test's own.
struct GGUFAdapterImage {
    struct Factor {
        let name: String
        var type = "F32"
        let dimensions: [Int]
        var bytes: [UInt8]?

        /// Zeros where no bytes are given.
        init(_ name: String, _ dimensions: [Int], type: String = "F32", bytes: [UInt8]? = nil) {
            self.name = name
            self.type = type
            self.dimensions = dimensions
            self.bytes = bytes
        }

        init(_ name: String, _ dimensions: [Int], _ values: [Float]) {
            self.init(name, dimensions, bytes: values.withUnsafeBytes { Array($0) })
        }
    }

    /// Of a query of rank 2, [8, 4].
    static let factors = [Factor("blk.0.attn_q.weight.lora_a", [2, 4]), Factor("blk.0.attn_q.weight.lora_b", [8, 2])]

    let folder: TemporaryFolder
    var path: String { folder.path("a.gguf") }

    /// - Parameter keys: nil for one that is left out.
    init(_ keys: [(String, GGUFValue?)] = [], _ factors: [Factor] = factors) throws {
        folder = try TemporaryFolder()
        var entries: [(key: String, value: GGUFValue?)] = [
            ("general.architecture", .string("llama")), ("general.type", .string("adapter")), ("adapter.type", .string("lora")),
        ]
        for (key, value) in keys {
            entries.removeAll { $0.key == key }
            entries.append((key, value))
        }
        let metadata = entries.compactMap { entry in entry.value.map { GGUFMetadata.Entry(entry.key, $0) } }
        let tensors = factors.compactMap { factor -> GGUFPlannedTensor? in
            guard let type = GGUFTensorType.named(factor.type), let shape = Shape(factor.dimensions) else { return nil }
            return GGUFPlannedTensor(name: factor.name, type: type, shape: shape)
        }
        let plan = try GGUFPlan(metadata: metadata, tensors: tensors, path: path)
        let output = try AtomicOutput(destination: path, replaces: false)
        let writer = try GGUFWriter(file: output.file(), plan: plan)
        for (index, factor) in factors.enumerated() {
            let bytes = factor.bytes ?? [UInt8](repeating: 0, count: plan.tensors[index].byteCount)
            try bytes.withUnsafeBytes { try writer.write($0, tensor: index) }
        }
        try output.commit([writer.file])
    }

    /// Why it is refused, with the path cut to the file's name.
    func refusal() -> FileError? {
        do throws(FileError) { _ = try Adapter.open(path) } catch {
            var error = error
            if error.path == path { error.path = "a.gguf" }
            return error
        }
        return nil
    }
}
