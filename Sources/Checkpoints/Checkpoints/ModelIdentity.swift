import Architectures
import JSONText
package import TensorCore

/// What config.json says about the kind of a model, as far as it concerns its weights.
package struct ModelIdentity: Sendable, Hashable {
    /// `model_type`: `llama`, `gpt2`; nil where there is no config.
    package let modelType: String?
    /// The class that the weights were saved from, the first of `architectures`: `LlamaForCausalLM`.
    package let className: String?
    /// `model_type` of the model and of every model inside it (`text_config`, `vision_config`), each once.
    package let modelTypes: Set<String>

    /// Models whose linear layers are transformers' `Conv1D`: weights lie as [in, out] and are quantized as [out, in].
    private static let conv1DModelTypes: Set<String> = ["gpt2", "openai-gpt", "imagegpt", "decision_transformer"]
    private static let conv1DLayers: Set<Substring> = ["c_attn", "c_proj", "c_fc", "q_attn"]
    /// Configurations lie in one another two or three deep; a config can nest as deep as its text is long.
    private static let depthLimit = 4

    init(config: JSONValue?) {
        self.init(modelType: config?["model_type"]?.string, config: config)
    }

    package init(modelType: String?) {
        self.init(modelType: modelType, config: nil)
    }

    private init(modelType: String?, config: JSONValue?) {
        self.modelType = modelType
        className = config?["architectures"]?.array?.first?.string
        var found = Set(modelType.map { [$0] } ?? [])
        if let config { Self.collectTypes(config, depth: 0, into: &found) }
        modelTypes = found
    }

    /// Without a config, GPT-2 is known by a fused attention weight that is wider than it is tall.
    init(config: JSONValue?, tensors: [TensorInfo]) {
        let stated = config?["model_type"]?.string
        let looksLikeGPT2 = tensors.contains { info in
            let dimensions = info.shape.dimensions
            return info.name.hasSuffix("h.0.attn.c_attn.weight") && dimensions.count == 2 && dimensions[1] % 3 == 0
                && dimensions[1] / 3 == dimensions[0]
        }
        self.init(modelType: stated ?? (looksLikeGPT2 ? "gpt2" : nil), config: config)
    }

    /// How a dense weight of this name lies.
    package func orientation(of name: String) -> Orientation {
        if ExpertStacks.liesByInputs(name, in: modelTypes) { return .inputsByOutputs }
        guard let modelType, Self.conv1DModelTypes.contains(modelType) else { return .outputsByInputs }
        let parts = name.split(separator: ".")
        guard parts.count >= 2, parts.last == "weight", Self.conv1DLayers.contains(parts[parts.count - 2]) else { return .outputsByInputs }
        return .inputsByOutputs
    }

    private static func collectTypes(_ config: JSONValue, depth: Int, into found: inout Set<String>) {
        if let type = config["model_type"]?.string { found.insert(type) }
        guard depth < depthLimit, let object = config.object else { return }
        for member in object.members where member.value.object != nil { collectTypes(member.value, depth: depth + 1, into: &found) }
    }

    private static let classEndings = [
        "ForCausalLM", "Model", "LMHeadModel", "ForConditionalGeneration", "DoubleHeadsModel", "ForSequenceClassification",
        "ForTokenClassification",
        "ForQuestionAnswering",
    ]

    /// Says so where config.json names a class, or code of its own, that is not what its `model_type` stands for: such a model
    /// borrows the type of a family and may compute something else.
    func warnings(config: JSONValue?) -> [String] {
        guard let modelType, let prefixes = Architecture.named(modelType)?.classPrefixes else { return [] }
        func isOwn(_ name: String) -> Bool { prefixes.contains { prefix in Self.classEndings.contains { prefix + $0 == name } } }
        let code = config?["auto_map"]?.object?.members.first { $0.key.hasPrefix("AutoModel") }?.value
        let named = code?.string ?? code?.array?.first?.string ?? config?["architectures"]?.array?.compactMap(\.string).first { !isOwn($0) }
        guard let named else { return [] }
        return [
            "config.json names '\(JSONError.excerpt(named))', not a class of transformers' \(modelType); it is taken for a \(modelType)"
        ]
    }
}
