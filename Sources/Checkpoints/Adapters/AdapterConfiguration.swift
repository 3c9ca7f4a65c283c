import ByteIO
package import JSONText

/// What adapter_config.json says of a LoRA adapter.
///
/// Only what changes the arithmetic is taken out; everything else stays in `document`, to be written again as it was.
package struct AdapterConfiguration: Sendable {
    package enum Bias: String, Sendable, Hashable, CaseIterable {
        case none, all
        case loraOnly = "lora_only"
    }

    /// `trainable_token_indices`: for the input embedding, or for each of several tables by the end of their names.
    package enum TokenIndices: Sendable {
        case inputEmbedding([Int])
        case named([(module: String, indices: [Int])])
    }

    /// The whole configuration, with the members in the order of PEFT (that of their names).
    package let document: JSONObject
    /// `r`, where no entry of `rankPattern` matches.
    package let rank: Int
    /// `lora_alpha`, where no entry of `alphaPattern` matches.
    package let alpha: Double
    package let rankPattern: NamePatterns<Int>
    package let alphaPattern: NamePatterns<Double>
    package let usesRankStabilization: Bool
    package let usesDoRA: Bool
    package let hasLoRABias: Bool
    package let bias: Bias
    /// What PEFT wrote about the orientation of the weights. Only the base knows it: see `AdapterBinding`.
    package let fanInFanOut: Bool
    package let modulesToSave: [String]
    /// Ends of names of parameters that are adapted by themselves: those of experts.
    package let targetParameters: [String]
    package let tokenIndices: TokenIndices?
    package let ensuresWeightTying: Bool

    /// Whether what is done to one of a tied pair is done to the other: PEFT follows `ensure_weight_tying` only where a list of modules
    /// names one of the pair, by one of two names, which those of GPT-2 (`wte`), Falcon or GPT-NeoX are not.
    ///
    /// An expression that is not understood names neither: PEFT writes both of a pair that it has tied, and equal.
    package var tiesTables: Bool {
        guard ensuresWeightTying else { return false }
        let isNamed = { (name: String) in Self.tableNames.contains(name.split(separator: ".").last.map(String.init) ?? name) }
        if modulesToSave.contains(where: isNamed) { return true }
        guard case .string(let expression)? = document["target_modules"] else { return targetModules.contains(where: isNamed) }
        guard let expression = try? ModuleExpression(expression) else { return false }
        return Self.tableNames.contains { expression.matchesEnd(of: $0) }
    }

    private static let tableNames = ["embed_tokens", "lm_head"]

    /// Names or expressions of the modules that training was to target; empty where the file says it otherwise.
    package var targetModules: [String] {
        switch document["target_modules"] {
        case .array(let names)?: names.compactMap(\.string)
        case .string(let expression)?: [expression]
        default: []
        }
    }

    /// The name or path of the base that the adapter was trained on, as the trainer knew it.
    package var baseModelName: String? { document["base_model_name_or_path"]?.string }

    /// Trained for a task with a head of its own (`SEQ_CLS`), not to write text.
    package var isOfTask: Bool {
        switch document["task_type"]?.string {
        case nil, "CAUSAL_LM", "SEQ_2_SEQ_LM", "FEATURE_EXTRACTION": false
        default: true
        }
    }

    /// The rank that a module must have.
    package func rank(of module: String) -> Int { rankPattern.value(for: module) ?? rank }

    package func alpha(of module: String) -> Double { alphaPattern.value(for: module) ?? alpha }

    /// What multiplies B @ A of a module.
    package func scaling(of module: String) -> Double { scaling(rank: rank(of: module), alpha: alpha(of: module)) }

    package func scaling(rank: Int, alpha: Double) -> Double {
        alpha / (usesRankStabilization ? Double(rank).squareRoot() : Double(rank))
    }
}
