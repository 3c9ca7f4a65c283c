import Architectures
import ByteIO
import JSONText
import TensorCore

/// The factors of an MLX adapter as PEFT has them, under its names.
///
///     in the file           here
///     P.lora_a  [in, r]     base_model.model.P.lora_A.weight  [r, in]: turned
///     P.lora_b  [r, out]    ...lora_B.weight                  [out, r]: turned
///     P.m       [out]       ...lora_magnitude_vector          [out]
struct MLXAdapterTensors: TensorSource {
    private enum Part: String, CaseIterable {
        case a = ".lora_a"
        case b = ".lora_b"
        case magnitude = ".m"

        var peft: String {
            switch self {
            case .a: ".lora_A.weight"
            case .b: ".lora_B.weight"
            case .magnitude: ".lora_magnitude_vector"
            }
        }
    }

    private let stored: any TensorSource
    let tensors: [TensorInfo]
    /// Whether the stored tensor is the transpose.
    private let isTurned: [Bool]
    /// Modules with their ranks, sorted by the bytes of their names.
    let modules: [(name: String, rank: Int)]
    let hasMagnitudes: Bool

    /// Whether these are the tensors of such an adapter: factors under MLX's names.
    static func areFactors(_ tensors: [TensorInfo]) -> Bool {
        tensors.contains { $0.name.hasSuffix(Part.a.rawValue) } && tensors.contains { $0.name.hasSuffix(Part.b.rawValue) }
    }

    /// - Throws: where a tensor is no factor of a linear layer, or one of a pair is missing.
    init(_ stored: any TensorSource) throws(FileError) {
        self.stored = stored
        func refusal(_ info: TensorInfo, _ message: String, hint: String? = nil) -> FileError {
            FileError(stored.path, at: "tensor '\(JSONError.excerpt(info.name))'", message, hint: hint)
        }
        var tensors: [TensorInfo] = [], isTurned: [Bool] = []
        var ranks: [ByteKey: (a: Int?, b: Int?)] = [:]
        for info in stored.tensors {
            guard
                let part = Part.allCases.first(where: { info.name.hasSuffix($0.rawValue) && info.name.utf8.count > $0.rawValue.utf8.count })
            else {
                throw refusal(
                    info, "is no factor of an MLX adapter (lora_a, lora_b, m)",
                    hint: "whole tensors are those of a full fine-tuning: fuse them into the model with mlx_lm.fuse")
            }
            let module = String(info.name.dropLast(part.rawValue.count)), dimensions = info.shape.dimensions
            guard !TableNames.isEmbedding(module) else {
                throw refusal(info, "is a factor of an embedding, which is not read of MLX adapters")
            }
            guard dimensions.count == (part == .magnitude ? 1 : 2), info.elementCount > 0 else {
                throw refusal(
                    info,
                    "has shape \(info.shape), but "
                        + (part == .magnitude ? "magnitudes are [out]" : "factors of a linear layer have two dimensions, none of them 0"),
                    hint: dimensions.count == 3 ? "adapters of experts are not read" : nil)
            }
            guard let shape = Shape(dimensions.reversed()),
                let turned = TensorInfo(name: ModuleCollector.prefix + module + part.peft, scalarType: info.scalarType, shape: shape)
            else { preconditionFailure("as many elements") }
            tensors.append(turned)
            isTurned.append(part != .magnitude)
            switch part {
            case .a: ranks[ByteKey(module), default: (nil, nil)].a = dimensions[1]
            case .b: ranks[ByteKey(module), default: (nil, nil)].b = dimensions[0]
            case .magnitude: break
            }
        }
        var modules: [(name: String, rank: Int)] = []
        for (module, rank) in ranks {
            guard let a = rank.a, let b = rank.b, a == b else {
                let (a, b) = (rank.a.map { "rank \($0)" } ?? "no lora_a", rank.b.map { "rank \($0)" } ?? "no lora_b")
                throw FileError(
                    stored.path, at: "module '\(JSONError.excerpt(module.text))'", "has \(a) on one side and \(b) on the other")
            }
            modules.append((module.text, a))
        }
        self.modules = modules.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        self.tensors = tensors
        self.isTurned = isTurned
        hasMagnitudes = isTurned.contains(false)
    }

    var path: String { stored.path }
    var files: [InputFile] { stored.files }

    func fileIndex(ofTensor index: Int) -> Int { stored.fileIndex(ofTensor: index) }

    func place(ofTensor index: Int) -> (file: Int, offset: Int)? { isTurned[index] ? nil : stored.place(ofTensor: index) }

    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        guard isTurned[index] else { return try stored.read(tensor: index, atByteOffset: offset, into: buffer) }
        let info = tensors[index], dimensions = info.shape.dimensions
        try TurnedFactor(rows: dimensions[0], columns: dimensions[1], elementByteCount: info.scalarType.bitCount / 8)
            .read(atByteOffset: offset, into: buffer) { (range) throws(FileError) in try stored.bytes(ofTensor: index, range) }
    }
}
