import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport

@testable import Records
@testable import Training

/// A trace that PyTorch and PEFT left: `Tests/Fixtures/training/make_training.py` made it.
struct TrainingFixture {
    let file: SafetensorsFile
    let weightDecay: Double
    let clip: Double?
    let warmup: Int
    let losses: [Double]
    let norms: [Double]
    let rates: [Double]

    init(_ name: String) throws {
        let path = Fixture.training(name)
        file = try SafetensorsFile(path: path + ".safetensors")
        let document = try JSONValue(parsing: InputFile(path: path + ".json").allBytes(limit: 1 << 20))
        func numbers(_ key: String) -> [Double] { document["trace"]?[key]?.array?.compactMap(\.double) ?? [] }
        weightDecay = document["weight_decay"]?.double ?? .nan
        clip = document["clip"]?.double
        warmup = document["warmup"]?.integer ?? -1
        losses = numbers("loss")
        norms = numbers("grad_norm")
        rates = numbers("lr")
    }

    /// Elements of an F32 tensor; nil where there is none of this name.
    func floats(_ name: String) throws -> [Float]? {
        guard let index = file.tensors.firstIndex(where: { $0.name == name }) else { return nil }
        return [Float](try bytes(index), as: Float.self)
    }

    /// The samples of the one batch that all steps learn from.
    func batch() throws -> Batch {
        let ids = try integers("input_ids"), labels = try integers("labels")
        let length = file.tensors[try index("input_ids")].shape.dimensions[1]
        return Batch(
            stride(from: 0, to: ids.count, by: length).map { start in
                Sample(
                    tokens: ids[start..<start + length].map { Int32($0) }, isLearned: labels[start..<start + length].map { $0 != -100 })
            })
    }

    private func index(_ name: String) throws -> Int {
        guard let index = file.tensors.firstIndex(where: { $0.name == name }) else { throw FileError(file.path, "there is no '\(name)'") }
        return index
    }

    private func integers(_ name: String) throws -> [Int64] { [Int64](try bytes(try index(name)), as: Int64.self) }

    private func bytes(_ index: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: file.tensors[index].byteCount)
        try bytes.withUnsafeMutableBytes { try file.read(tensor: index, atByteOffset: 0, into: $0) }
        return bytes
    }
}

extension Array {
    init(_ bytes: [UInt8], as type: Element.Type) {
        self = bytes.withUnsafeBytes { buffer in
            (0..<buffer.count / MemoryLayout<Element>.stride).map {
                buffer.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.stride, as: type)
            }
        }
    }
}
