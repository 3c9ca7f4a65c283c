package import ByteIO
package import JSONText

extension AdapterConfiguration {
    /// The configuration of a new adapter, with every field that PEFT 0.21.2 writes.
    ///
    /// - Parameters:
    ///   - rank: `r` of the modules that `rankPattern` does not name.
    ///   - targetModules: names of modules, or ends of names; PEFT makes an adapter for each module that one matches.
    ///   - rankPattern: ranks of single modules by their whole names, which are written as expressions for just them.
    ///   - alphaPattern: `lora_alpha` of single modules, likewise.
    ///   - fanInFanOut: true for GPT-2 and others of `Conv1D`, as PEFT writes it.
    ///   - others: members to set besides, such as `modules_to_save` or `base_model_name_or_path`, by their names.
    /// - Throws: where a value is none that an adapter can have.
    package init(
        rank: Int, alpha: Double, targetModules: [String], rankPattern: [(module: String, rank: Int)] = [],
        alphaPattern: [(module: String, alpha: Double)] = [], usesRankStabilization: Bool = false, fanInFanOut: Bool = false,
        dropout: Double = 0, others: [(key: String, value: JSONValue)] = []
    ) throws(FileError) {
        var object = JSONObject()
        for field in ConfigurationField.all { object[field.name] = field.defaultValue }
        object["task_type"] = .string("CAUSAL_LM")
        object["inference_mode"] = .bool(true)
        object["r"] = .integer(rank)
        object["lora_alpha"] = Self.number(alpha)
        object["lora_dropout"] = .double(dropout)
        object["target_modules"] = .strings(targetModules)
        object["use_rslora"] = .bool(usesRankStabilization)
        object["fan_in_fan_out"] = .bool(fanInFanOut)
        object["rank_pattern"] = .object(Self.patterns(rankPattern.map { ($0.module, .integer($0.rank)) }))
        object["alpha_pattern"] = .object(Self.patterns(alphaPattern.map { ($0.module, Self.number($0.alpha)) }))
        for (key, value) in others { object[key] = value }
        try self.init(.object(object), path: "configuration")
    }

    /// Whole numbers without a fraction, as PEFT writes them.
    private static func number(_ value: Double) -> JSONValue { Int(exactly: value).map { .integer($0) } ?? .double(value) }

    /// In the order of the keys, as PEFT sorts them. No module's name ends with another's after a dot, but for a whole name
    /// like `lm_head`; the anchor keeps that from matching `decoder.lm_head`.
    private static func patterns(_ entries: [(String, JSONValue)]) -> JSONObject {
        var object = JSONObject()
        let keyed = entries.map { ("^" + escaped($0.0), $0.1) }
        for (key, value) in keyed.sorted(by: { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }) { object[key] = value }
        return object
    }

    /// An expression that matches just this text, for Python and for `ModuleExpression`.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if "\\.^$*+?{}[]|()".unicodeScalars.contains(scalar) { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
