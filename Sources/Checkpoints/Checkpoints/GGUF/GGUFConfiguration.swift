import Architectures
import ByteIO
import GGUFFormat
import JSONText
import TensorCore

/// config.json of a GGUF file of a known family, made of its keys and of which tensors it has.
struct GGUFConfiguration {
    let config: JSONObject
    let description: ModelDescription
    /// Whether matrices are BF16: then so was the model it was made of.
    let is16Bit: Bool

    /// Keys of a family that change nothing here.
    private static let labels: Set<String> = ["tensor_data_layout", "rope.scaling.finetuned", "vocab_size"]

    init(_ contents: GGUFContents) throws(FileError) {
        let metadata = contents.metadata
        guard let name = try metadata.string("general.architecture") else {
            throw Self.refusal(metadata, "names no 'general.architecture'")
        }
        let expertCount = try metadata.integer("\(name).\(GGUFSpelling.expertCount)") ?? 0
        guard let architecture = Architecture.namedInGGUF(name, hasExperts: expertCount > 0), let spelling = architecture.gguf else {
            let experts = expertCount > 0 ? " with \(expertCount) experts" : ""
            throw Self.refusal(metadata, "is of architecture '\(JSONError.excerpt(name))'\(experts), which is not known")
        }
        let shapes = Dictionary(contents.tensors.map { ($0.name, $0.shape) }) { first, _ in first }
        func has(_ role: TensorRole, _ part: ExpectedTensor.Part) -> Bool {
            shapes[GGUFSpelling.name(ModuleKey(role, layer: role.isInLayer ? 0 : nil), part)] != nil
        }
        guard let table = shapes["token_embd.weight"], table.dimensions.count == 2 else {
            throw Self.refusal(metadata, "has no matrix 'token_embd.weight'")
        }
        let numbers = try Self.numbers(metadata, spelling)
        var config = JSONObject([
            "architectures": .array([.string(architecture.causalClass)]), "model_type": .string(architecture.modelType),
        ])
        for number in spelling.numbers {
            guard let member = number.member, let value = numbers[number.key] else { continue }
            config[member] = number.kind == .count ? .integer(Int(value)) : .double(Self.shortest(value))
        }
        for constant in spelling.constants.members { config[constant.key] = constant.value }
        config["vocab_size"] = .integer(table.dimensions[0])
        config["tie_word_embeddings"] = .bool(!has(.head, .weight))
        if architecture.follows("attention_bias") { config["attention_bias"] = .bool(has(.query, .bias)) }
        if architecture.follows("mlp_bias") { config["mlp_bias"] = .bool(has(.up, .bias)) }
        for (member, key) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
            if let id = try metadata.integer("tokenizer.ggml.\(key)_token_id") { config[member] = .integer(id) }
        }
        spelling.complete(&config, numbers)
        if let scaling = try GGUFRotary(contents, architecture: name).scaling { config["rope_scaling"] = .object(scaling) }
        let types = contents.tensors.compactMap(\.matrixType)
        is16Bit = types.contains(.bf16) && types.allSatisfy { $0 == .bf16 || $0 == .f32 }
        let type = types.first { $0 != .f32 } ?? .f32
        config["torch_dtype"] = .string(type.torchName ?? "float32")
        do throws(ModelError) { description = try ModelDescription(config: .object(config)) } catch {
            throw Self.refusal(metadata, error.message)
        }
        self.config = config
        try Self.check(description, spelling, metadata, numbers)
        if let count = contents.frequencyFactors?.count, let width = description.layers.first?.attention.headWidth, 2 * count != width {
            throw FileError(
                metadata.path, at: "tensor '\(GGUFSpelling.frequencyFactors)'", "has \(count) factors, but heads are \(width) wide")
        }
    }

    private static func refusal(_ metadata: GGUFMetadata, _ message: String) -> FileError { FileError(metadata.path, message) }

    /// The numbers under the keys of the family's table.
    private static func numbers(_ metadata: GGUFMetadata, _ spelling: GGUFSpelling) throws(FileError) -> GGUFNumbers {
        var values: [String: Double] = [:]
        for number in spelling.numbers {
            let key = "\(spelling.name).\(number.key)"
            let stored =
                switch number.kind {
                case .count: try metadata.integer(key).map(Double.init)
                case .real: try metadata.float(key).map(Double.init)
                }
            if let stored {
                // Far beyond any model, and counted exactly up to here.
                guard number.kind == .real || stored < 0x1p53 else {
                    throw FileError(metadata.path, at: "key '\(key)'", "is \(stored), but less than 2^53 is expected")
                }
                values[number.key] = stored
                continue
            }
            guard number.fallback != .required else { throw FileError(metadata.path, at: "key '\(key)'", "is missing") }
            values[number.key] = GGUFNumbers(values).fallback(of: number)
        }
        return GGUFNumbers(values)
    }

    /// Every key of the family says what the description says, and none is left over.
    private static func check(
        _ description: ModelDescription, _ spelling: GGUFSpelling, _ metadata: GGUFMetadata, _ numbers: GGUFNumbers
    ) throws(FileError) {
        let known = Dictionary(uniqueKeysWithValues: spelling.numbers.map { ($0.key, $0) })
        for entry in metadata.entries {
            guard entry.key.hasPrefix(spelling.name + ".") else { continue }
            let key = String(entry.key.dropFirst(spelling.name.utf8.count + 1))
            func isHeadWidth() throws(FileError) -> Bool {
                try metadata.integer(entry.key) == description.layers.first?.attention.headWidth
            }
            let isFollowed: Bool
            if labels.contains(key) {
                isFollowed = true
            } else if let number = known[key] {
                guard let value = number.value(description), let stored = numbers[key] else { continue }
                isFollowed = Float(value) == Float(stored)
            } else if key == "attention.value_length" || key == "rope.dimension_count" {
                isFollowed = try isHeadWidth()
            } else if key.hasPrefix("expert_") {
                isFollowed = try metadata.integer(entry.key) == 0
            } else {
                isFollowed = GGUFRotary.keys.contains(key)
            }
            guard isFollowed else {
                throw FileError(metadata.path, at: "key '\(JSONError.excerpt(entry.key))'", "is not followed as it stands")
            }
        }
    }

    /// A float32 as the shortest decimal that means it: 1e-5, and not 9.999999747378752e-06.
    private static func shortest(_ value: Double) -> Double { Double("\(Float(value))") ?? value }
}
