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
    private static let labels: Set<String> = ["tensor_data_layout", "rope.scaling.finetuned", "vocab_size", Number.slidingLayersKey]
    private typealias Number = GGUFSpelling.Number

    init(_ contents: GGUFContents) throws(FileError) {
        let metadata = contents.metadata
        guard let name = try metadata.string("general.architecture") else {
            throw Self.refusal(metadata, "names no 'general.architecture'")
        }
        let named = try Architecture.namedInGGUF(name) { key throws(FileError) in try metadata.integer("\(name).\(key)") ?? 0 > 0 }
        guard let architecture = named, let spelling = architecture.gguf else {
            throw Self.refusal(metadata, "is of architecture '\(JSONError.excerpt(name))', which is not known")
        }
        let shapes = Dictionary(contents.tensors.map { ($0.name, $0.shape) }) { first, _ in first }
        guard let table = shapes["token_embd.weight"], table.dimensions.count == 2 else {
            throw Self.refusal(metadata, "has no matrix 'token_embd.weight'")
        }
        let numbers = try Self.numbers(metadata, spelling)
        var config = JSONObject([
            "architectures": .array([.string(architecture.causalClass)]), "model_type": .string(architecture.modelType),
        ])
        for number in spelling.numbers {
            guard let member = number.member, let value = numbers[number.key] else { continue }
            config[member] =
                switch number.kind {
                case .count: .integer(Int(value))
                case .flag: .bool(value != 0)
                default: .double(GGUFNumbers.shortest(value))
                }
        }
        for constant in spelling.constants.members { config[constant.key] = constant.value }
        config["vocab_size"] = .integer(table.dimensions[0])
        config["tie_word_embeddings"] = .bool(shapes["output.weight"] == nil)
        if architecture.follows("attention_bias") { config["attention_bias"] = .bool(shapes["blk.0.attn_q.bias"] != nil) }
        if architecture.follows("mlp_bias") { config["mlp_bias"] = .bool(shapes["blk.0.ffn_up.bias"] != nil) }
        if let types = try Self.layerTypes(metadata, spelling, numbers) { config["layer_types"] = types }
        for (member, key) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
            if let id = try metadata.integer("tokenizer.ggml.\(key)_token_id") { config[member] = .integer(id) }
        }
        if let scaling = try GGUFRotary(contents, spelling, numbers).scaling { config["rope_scaling"] = .object(scaling) }
        spelling.complete(&config, GGUFSpelling.Contents(numbers) { shapes[$0] != nil })
        let types = contents.tensors.compactMap(\.matrixType)
        is16Bit = types.contains(.bf16) && types.allSatisfy { $0 == .bf16 || $0 == .f32 }
        let type = types.first { $0 != .f32 } ?? .f32
        config["torch_dtype"] = .string(type.torchName ?? "float32")
        do throws(ModelError) { description = try ModelDescription(config: .object(config)) } catch {
            throw Self.refusal(metadata, error.message)
        }
        self.config = config
        try Self.check(description, spelling, metadata, numbers)
        let head = description.layers.first?.attention
        guard let width = description.layers.lazy.compactMap(\.attention.rotary).first?.turnedWidth(headWidth: head?.headWidth ?? 0) else {
            return
        }
        for (name, factors) in contents.factors.sorted(by: { $0.key < $1.key }) where 2 * factors.count != width {
            throw FileError(
                metadata.path, at: "tensor '\(name)'", "has \(factors.count) factors, but \(width) elements of a head turn in pairs")
        }
    }

    /// Which layers slide, by an array or by every how many-th does not, for families with layers of both kinds; nil where none slides.
    private static func layerTypes(
        _ metadata: GGUFMetadata, _ spelling: GGUFSpelling, _ numbers: GGUFNumbers
    ) throws(FileError) -> JSONValue? {
        guard var period = spelling.slidingPeriod, let count = numbers.count("block_count"), count <= layerLimit,
            numbers.count("attention.sliding_window") ?? 0 > 0
        else { return nil }
        let key = "\(spelling.name).\(Number.slidingLayersKey)"
        var slides: [Bool]?
        if let value = metadata[key] {
            if value.array != nil {
                slides = try metadata.array(key, of: .bool)?.bools()
            } else if let stated = try metadata.integer(key) {
                period = stated
            }
        }
        if let slides, slides.count < count {
            throw FileError(metadata.path, at: "key '\(key)'", "has \(slides.count) entries, but there are \(count) layers")
        }
        return .array(
            (0..<count).map { layer in
                let isSliding = slides?[layer] ?? (period == 0 || (layer + 1) % period != 0)
                return .string(isSliding ? "sliding_attention" : "full_attention")
            })
    }

    /// Far beyond any model; more are refused when config.json is read.
    private static let layerLimit = 1 << 16

    private static func refusal(_ metadata: GGUFMetadata, _ message: String) -> FileError { FileError(metadata.path, message) }

    /// The numbers under the keys of the family's table.
    private static func numbers(_ metadata: GGUFMetadata, _ spelling: GGUFSpelling) throws(FileError) -> GGUFNumbers {
        var values: [String: Double] = [:]
        for number in spelling.numbers where number.isNumber {
            let key = "\(spelling.name).\(number.key)"
            let stored =
                switch number.kind {
                case .count: try metadata.integer(key).map(Double.init)
                case .flag: try metadata.bool(key).map { $0 ? 1.0 : 0 }
                default: try metadata.float(key).map(Double.init)
                }
            if let stored {
                // Far beyond any model, and counted exactly up to here.
                guard number.kind != .count || (0..<0x1p53).contains(stored) else {
                    throw FileError(metadata.path, at: "key '\(key)'", "is \(stored), but a count of less than 2^53 is expected")
                }
                guard stored.isFinite else { throw FileError(metadata.path, at: "key '\(key)'", "is \(stored), which is no number") }
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
        let known = Dictionary(uniqueKeysWithValues: spelling.numbers.filter(\.isNumber).map { ($0.key, $0) })
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
                // Some are the inverse of what the model has, in single precision.
                isFollowed = Float(value) == Float(stored) || abs(value / stored - 1) < 0x1p-22
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
}
