package import JSONText

extension ModelConfiguration {
    /// `model_type`s that can be run.
    package static let modelTypes = ["gpt2", "llama", "mistral", "qwen2", "qwen3"]

    /// Reads config.json, in the spellings of transformers 4 and 5.
    ///
    /// - Throws: for another architecture, for a setting that changes the arithmetic in a way not built here, and for numbers
    ///   that make no sense; each by name.
    package init(config: JSONValue) throws(ModelError) {
        guard let object = config.object else { throw ModelError("config.json is no JSON object") }
        let fields = ConfigurationFields(object)
        let modelType = object["model_type"]?.string ?? Self.modelType(ofArchitectures: object["architectures"])
        switch modelType {
        case "gpt2": self = try fields.gpt2()
        case "llama", "mistral", "qwen2", "qwen3": self = try fields.llama(modelType: modelType ?? "llama")
        default: throw Self.unsupported(modelType, object["architectures"])
        }
        remarks = ConfigurationMembers.remarks(on: object, modelType: self.modelType)
    }

    /// Very old configs name the class alone.
    private static func modelType(ofArchitectures value: JSONValue?) -> String? {
        switch value?.array?.first?.string {
        case "GPT2LMHeadModel": "gpt2"
        case "LlamaForCausalLM", "LLaMAForCausalLM": "llama"
        case "MistralForCausalLM": "mistral"
        case "Qwen2ForCausalLM": "qwen2"
        case "Qwen3ForCausalLM": "qwen3"
        default: nil
        }
    }

    private static func unsupported(_ modelType: String?, _ architectures: JSONValue?) -> ModelError {
        let architecture = architectures?.array?.first?.string
        let named = [modelType.map { "model_type '\($0)'" }, architecture.map { "architecture '\($0)'" }].compactMap(\.self)
        let what = named.isEmpty ? "config.json names no architecture" : "\(named.joined(separator: ", ")) cannot be run"
        return ModelError(
            "\(what); these can: \(modelTypes.joined(separator: ", "))",
            hint: "converting, inspecting, merging and verifying work for any architecture")
    }
}
