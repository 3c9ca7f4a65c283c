import Architectures
import ByteIO
import GGUFFormat
import JSONText
import Quantization
import TensorCore

/// What a GGUF adapter says, checked: which factors it has, and how they are scaled (formats/gguf.md, *Adapters*).
struct GGUFAdapterFile {
    enum Key {
        static let type = "general.type"
        static let architecture = "general.architecture"
        static let name = "general.name"
        static let kind = "adapter.type"
        static let alpha = "adapter.lora.alpha"
        static let invocationTokens = "adapter.alora.invocation_tokens"
        /// Say something for people and servers, nothing that changes the arithmetic.
        static let labels: Set<String> = ["adapter.lora.task_name", "adapter.lora.prompt_prefix"]
    }

    /// What names end in.
    static let suffixes = (a: ".lora_a", b: ".lora_b")

    let tensors: GGUFAdapterTensors
    let configuration: AdapterConfiguration
    let warnings: [String]

    init(_ file: GGUFSource) throws(FileError) {
        let metadata = file.metadata
        try Self.checkKind(metadata)
        guard let name = try metadata.string(Key.architecture) else {
            throw FileError(metadata.path, at: "key '\(Key.architecture)'", "is missing, and without it nobody knows the names of the base")
        }
        // Of families that files call the same the names of linear layers are the same, too.
        guard let architecture = Architecture.namedInGGUF(name, isPositive: { _ in false }) else {
            throw FileError(
                metadata.path, at: "key '\(Key.architecture)'", "is '\(JSONError.excerpt(name))', which is not known",
                hint: "known are \(Set(Architecture.all.compactMap(\.gguf?.name)).sorted().joined(separator: ", "))")
        }
        let alpha = try metadata.float(Key.alpha) ?? 0
        guard alpha.isFinite else {
            throw FileError(metadata.path, at: "key '\(Key.alpha)'", "is \(alpha), but a finite number is expected")
        }
        let modules = try Self.modules(file, architecture)
        tensors = GGUFAdapterTensors(file, architecture: name, factors: modules.flatMap(\.factors).sorted { $0.place < $1.place })
        configuration = try Self.configuration(modules, alpha: alpha, architecture.spelling, path: file.path)
        warnings = Self.warnings(modules, alpha: alpha, architecture.spelling)
    }

    private static func checkKind(_ metadata: GGUFMetadata) throws(FileError) {
        let type = try metadata.string(Key.type)
        guard type == "adapter" else {
            let named = type.map { $0 == "model" ? "" : " ('\(Key.type)' is '\(JSONError.excerpt($0))')" } ?? " ('\(Key.type)' is missing)"
            throw FileError(
                metadata.path, "is a GGUF file, but no adapter\(named)", hint: "a GGUF adapter says '\(Key.type)' = 'adapter'")
        }
        let kind = try metadata.string(Key.kind)
        guard kind == "lora" else {
            throw FileError(
                metadata.path, at: "key '\(Key.kind)'",
                kind.map { "is '\(JSONError.excerpt($0))', but only 'lora' is supported" } ?? "is missing, but 'lora' is expected")
        }
        for entry in metadata.entries where entry.key.hasPrefix("adapter.") {
            if [Key.kind, Key.alpha].contains(entry.key) || Key.labels.contains(entry.key) { continue }
            if entry.key == Key.invocationTokens {
                if entry.value.array?.count == 0 { continue }
                throw FileError(
                    metadata.path, at: "key '\(entry.key)'",
                    "the adapter changes only what comes after certain tokens (an activated LoRA), which is not supported")
            }
            throw FileError(
                metadata.path, at: "key '\(JSONError.excerpt(entry.key))'", "is unknown, and may change what the adapter does")
        }
    }

    // MARK: - Modules

    /// Both factors of one module.
    struct Module {
        let key: ModuleKey
        /// As PEFT names it.
        let name: String
        let rank: Int
        let factors: [GGUFAdapterTensors.Factor]
        /// Inputs and outputs are equally many, so that shapes do not tell which is which.
        let isSquare: Bool
    }

    private static func modules(_ file: GGUFSource, _ architecture: Architecture) throws(FileError) -> [Module] {
        guard !file.tensors.isEmpty else { throw FileError(file.path, "holds no tensors, so it adapts nothing") }
        var order: [String] = []
        var halves: [ByteKey: (a: Int?, b: Int?)] = [:]
        for (index, tensor) in file.tensors.enumerated() {
            let isA = tensor.name.utf8.reversed().starts(with: suffixes.a.utf8.reversed())
            guard isA || tensor.name.utf8.reversed().starts(with: suffixes.b.utf8.reversed()) else {
                throw error(
                    file, index, "is no factor: names of an adapter end in \(suffixes.a) or \(suffixes.b)",
                    hint: tensor.name.hasSuffix("_norm.weight")
                        ? "llama.cpp passes over norms; merge the adapter into its base with the program that trained it" : nil)
            }
            let name = String(decoding: tensor.name.utf8.dropLast(suffixes.a.utf8.count), as: UTF8.self)
            var half = halves[ByteKey(name)] ?? (nil, nil)
            if half.a == nil, half.b == nil { order.append(name) }
            if isA { half.a = index } else { half.b = index }
            halves[ByteKey(name)] = half
        }
        var modules: [Module] = []
        for name in order {
            let half = halves[ByteKey(name)]
            guard let a = half?.a, let b = half?.b else {
                let missing = name + (half?.a == nil ? suffixes.a : suffixes.b)
                throw error(file, half?.a ?? half?.b ?? 0, "is one half of a pair, but '\(JSONError.excerpt(missing))' is not in the file")
            }
            modules.append(try module(named: name, a, b, file, architecture))
        }
        return modules
    }

    private static func module(
        named name: String, _ a: Int, _ b: Int, _ file: GGUFSource, _ architecture: Architecture
    ) throws(FileError) -> Module {
        let spelling = architecture.spelling
        guard let (key, part) = GGUFSpelling.module(named: name, of: spelling, architecture.gguf?.renamed(nil) ?? [:]), part == .weight,
            !key.role.isNorm,
            key.role != .positions, !key.role.isOfMixture
        else {
            throw error(file, a, "is of no linear layer and no embedding of a \(architecture.modelType)")
        }
        guard key.role != .fusedQueryKeyValue || architecture.gguf?.groupsHeads != true else {
            throw error(
                file, a,
                "makes queries, keys and values, whose rows lie in another order in a \(architecture.modelType)'s own files; that is "
                    + "not followed in adapters")
        }
        let isEmbedding = key.role == .embedding
        let shapes = try [a, b].map { index throws(FileError) in
            let shape = file.info(ofTensor: index).shape
            guard shape.dimensions.count == 2, shape.elementCount > 0 else {
                throw error(file, index, "has shape \(shape), but a factor has two dimensions, none of them 0")
            }
            return shape.dimensions
        }
        let rank = isEmbedding ? shapes[0][1] : shapes[0][0]
        guard shapes[1][1] == rank else {
            throw error(
                file, b,
                "has shape \(shapes[1]) and so rank \(shapes[1][1]), but '\(JSONError.excerpt(name))\(suffixes.a)' has rank \(rank)")
        }
        let module = spelling.module(key)
        let isPaired = architecture.gguf?.pairsRows == true && (key.role == .query || key.role == .key)
        let factors = [
            try factor(
                file, a, AdapterPlan.name(of: module, isEmbedding ? .embeddingA : .a), isEmbedding ? .transposed : .none),
            try factor(
                file, b, AdapterPlan.name(of: module, isEmbedding ? .embeddingB : .b),
                isPaired ? .paired(layer: key.layer ?? 0) : .none),
        ]
        return Module(key: key, name: module, rank: rank, factors: factors, isSquare: !isEmbedding && shapes[0][1] == shapes[1][0])
    }

    private static func factor(
        _ file: GGUFSource, _ index: Int, _ name: String, _ turn: GGUFAdapterTensors.Turn
    ) throws(FileError) -> GGUFAdapterTensors.Factor {
        let stored = file.info(ofTensor: index)
        let format = stored.type.name == "Q8_0" ? BlockFormat(identifier: stored.type.id) : nil
        guard let scalarType = format == nil ? stored.type.scalarType : .f32, scalarType.isNarrowable else {
            throw error(file, index, "is \(stored.type), but factors are F32, F16, BF16 or Q8_0")
        }
        let dimensions = turn == .transposed ? stored.shape.dimensions.reversed() : stored.shape.dimensions
        guard let shape = Shape(dimensions), let info = TensorInfo(name: name, scalarType: scalarType, shape: shape) else {
            throw error(file, index, "has shape \(stored.shape), which is more than can be decoded")
        }
        return GGUFAdapterTensors.Factor(place: index, info: info, format: format, turn: turn)
    }

    private static func error(_ file: GGUFSource, _ index: Int, _ message: String, hint: String? = nil) -> FileError {
        FileError(file.path, at: "tensor '\(JSONError.excerpt(file.tensors[index].name))'", message, hint: hint)
    }

    private static func warnings(_ modules: [Module], alpha: Float, _ spelling: Spelling) -> [String] {
        // What is written here has alpha 0; the shapes of the other layers give such a file away when it meets its base.
        guard spelling.hasConv1D, alpha != 0, let module = modules.first(where: \.isSquare) else { return [] }
        return [
            "llama.cpp's converter writes the factors of '\(module.name)' in the place of each other, and its shape does not tell; if it made "
                + "the file, that layer is changed wrongly here and there: make the file again from the PEFT folder"
        ]
    }
}
