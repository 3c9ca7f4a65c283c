package import ByteIO
package import JSONText

extension AdapterConfiguration {
    /// Reads a configuration and refuses by name whatever we would have to guess at.
    ///
    /// - Parameter path: the file it came from, for messages.
    package init(_ value: JSONValue, path: String) throws(FileError) {
        guard let object = value.object else { throw FileError(path, "is no JSON object, but adapter_config.json is one") }
        try Self.checkKind(object, path: path)
        try Self.checkFields(object, path: path)
        let reader = FieldReader(object: object, path: path)
        document = Self.sorted(object)
        rank = try reader.positiveInteger("r", default: 8)
        alpha = try reader.number("lora_alpha", default: 8)
        rankPattern = try reader.patterns("rank_pattern") { value in value.integer.flatMap { $0 > 0 ? $0 : nil } }
        alphaPattern = try reader.patterns("alpha_pattern") { value in value.double.flatMap { $0.isFinite ? $0 : nil } }
        usesRankStabilization = try reader.bool("use_rslora")
        usesDoRA = try reader.bool("use_dora")
        hasLoRABias = try reader.bool("lora_bias")
        fanInFanOut = try reader.bool("fan_in_fan_out")
        ensuresWeightTying = try reader.bool("ensure_weight_tying")
        bias = try reader.bias()
        modulesToSave = try reader.names("modules_to_save")
        targetParameters = try reader.names("target_parameters")
        tokenIndices = try reader.tokenIndices()
        if usesDoRA, hasLoRABias { throw FileError(path, "has both 'use_dora' and 'lora_bias', which PEFT does not allow together") }
    }

    /// Reads the text of an adapter_config.json.
    package init(parsing bytes: [UInt8], path: String) throws(FileError) {
        let value: JSONValue
        do { value = try JSONValue(parsing: bytes) } catch {
            throw FileError(
                path, at: "byte \(error.offset)", error.message,
                hint: "fetch it again: it is cut, or a web page or a Git LFS pointer came in its place")
        }
        try self.init(value, path: path)
    }

    /// Members in the order of their names, as PEFT writes them; what stands inside them keeps its order, which counts in
    /// `rank_pattern`.
    private static func sorted(_ object: JSONObject) -> JSONObject {
        var result = JSONObject()
        for member in object.members.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            result[member.key] = member.value
        }
        return result
    }

    // MARK: - Refusals

    private static func checkKind(_ object: JSONObject, path: String) throws(FileError) {
        guard let type = object["peft_type"] else {
            if ["fine_tune_type", "lora_parameters", "lora_layers", "num_layers"].contains(where: { object[$0] != nil }) {
                throw FileError(
                    path, "is the configuration of an MLX adapter",
                    hint: "the adapter of MLX is the file adapters.safetensors; these are weights under PEFT's name")
            }
            throw FileError(path, "has no 'peft_type', so it is no configuration of a PEFT adapter")
        }
        guard type != .string("LORA") else { return }
        let name = type.string.map(JSONError.excerpt) ?? type.text(.compact)
        let promptKinds = ["PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"]
        throw FileError(
            path, "the adapter is of kind '\(name)', but only 'LORA' is supported",
            hint: promptKinds.contains(name) ? "it adds to the prompt, not to the weights: there is nothing that could be merged" : nil)
    }

    private static func checkFields(_ object: JSONObject, path: String) throws(FileError) {
        let known = Dictionary(ConfigurationField.all.map { (ByteKey($0.name), $0) }, uniquingKeysWith: { first, _ in first })
        for member in object.members {
            let name = JSONError.excerpt(member.key)
            guard let field = known[ByteKey(member.key)] else {
                guard ConfigurationField.ignored.contains(member.key) || ConfigurationField.isOff(member.value) else {
                    throw FileError(
                        path, at: "'\(name)'", "the field is unknown, and \(excerpt(member.value)) may change the arithmetic",
                        hint: "remove the field if it does not matter for this adapter")
                }
                continue
            }
            if case .refused(let reason) = field.treatment, !ConfigurationField.isOff(member.value) {
                throw FileError(path, at: "'\(name)'", "\(excerpt(member.value)) is not supported: \(reason)")
            }
        }
        try checkInitialization(object["init_lora_weights"] ?? .bool(true), path: path)
    }

    private static func checkInitialization(_ value: JSONValue, path: String) throws(FileError) {
        let place = "'init_lora_weights'"
        switch value {
        case .bool, .null: return
        case .string(let name) where ConfigurationField.harmlessInitializations.contains(name): return
        case .string(let name):
            let changesBase = ["pissa", "olora", "corda", "loftq", "lora_ga"].contains { name.hasPrefix($0) }
            throw FileError(
                path, at: place,
                "'\(JSONError.excerpt(name))' \(changesBase ? "changes the weights of the base before training" : "is unknown")",
                hint: changesBase
                    ? "save it again in PEFT with path_initial_model_for_weight_conversion, which makes an ordinary adapter of it" : nil)
        default: throw FileError(path, at: place, "is \(excerpt(value)), but a boolean or a name is expected")
        }
    }

    static func excerpt(_ value: JSONValue) -> String { JSONError.excerpt(value.text(.python)) }
}

/// Takes typed values out of a configuration; a null counts as absent, as it does in PEFT.
private struct FieldReader {
    let object: JSONObject
    let path: String

    private func value(_ name: String) -> JSONValue? {
        guard let value = object[name], value != .null else { return nil }
        return value
    }

    private func mismatch(_ name: String, _ value: JSONValue, _ expected: String) -> FileError {
        FileError(path, at: "'\(name)'", "is \(AdapterConfiguration.excerpt(value)), but \(expected) is expected")
    }

    func bool(_ name: String) throws(FileError) -> Bool {
        guard let value = value(name) else { return false }
        guard let bool = value.bool else { throw mismatch(name, value, "true or false") }
        return bool
    }

    func positiveInteger(_ name: String, default fallback: Int) throws(FileError) -> Int {
        guard let value = value(name) else { return fallback }
        guard let integer = value.integer, integer > 0 else { throw mismatch(name, value, "a whole number greater than 0") }
        return integer
    }

    func number(_ name: String, default fallback: Double) throws(FileError) -> Double {
        guard let value = value(name) else { return fallback }
        guard let number = value.double, number.isFinite else { throw mismatch(name, value, "a finite number") }
        return number
    }

    func bias() throws(FileError) -> AdapterConfiguration.Bias {
        guard let value = value("bias") else { return .none }
        guard let bias = value.string.flatMap(AdapterConfiguration.Bias.init) else {
            throw mismatch("bias", value, "'none', 'all' or 'lora_only'")
        }
        return bias
    }

    func names(_ name: String) throws(FileError) -> [String] {
        guard let value = value(name) else { return [] }
        guard let elements = value.array else { throw mismatch(name, value, "a list of names") }
        var names: [String] = []
        for element in elements {
            guard let text = element.string else { throw mismatch(name, element, "a name") }
            names.append(text)
        }
        return names
    }

    func tokenIndices() throws(FileError) -> AdapterConfiguration.TokenIndices? {
        let name = "trainable_token_indices"
        switch value(name) {
        case nil: return nil
        case .array(let elements)?: return .inputEmbedding(try indices(name, elements))
        case .object(let object)?:
            var named: [(module: String, indices: [Int])] = []
            for member in object.members {
                guard let elements = member.value.array else { throw mismatch(name, member.value, "a list of token ids") }
                named.append((member.key, try indices(name, elements)))
            }
            return .named(named)
        case let value?: throw mismatch(name, value, "a list of token ids")
        }
    }

    private func indices(_ name: String, _ elements: [JSONValue]) throws(FileError) -> [Int] {
        var indices: [Int] = []
        for element in elements {
            guard let index = element.integer, index >= 0 else { throw mismatch(name, element, "a token id of 0 or more") }
            indices.append(index)
        }
        guard Set(indices).count == indices.count else { throw FileError(path, at: "'\(name)'", "names a token twice") }
        return indices
    }

    func patterns<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(FileError) -> NamePatterns<Value> {
        guard let stated = value(name) else { return NamePatterns([]) }
        guard let members = stated.object?.members else { throw mismatch(name, stated, "an object of names and numbers") }
        var entries: [(expression: ModuleExpression, value: Value)] = []
        for member in members {
            guard let value = convert(member.value) else { throw mismatch(name, member.value, "a number that makes sense there") }
            do throws(ModuleExpression.Failure) { entries.append((try ModuleExpression(member.key), value)) } catch {
                throw FileError(
                    path, at: "'\(name)'", "the expression '\(JSONError.excerpt(member.key))' is not understood: \(error.message)")
            }
        }
        return NamePatterns(entries)
    }
}
