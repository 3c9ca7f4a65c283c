package import Architectures
package import ByteIO
package import GGUFFormat
package import JSONText

/// The keys by which a GGUF file says what model it holds, in the order and with the types that convert_hf_to_gguf writes:
///
///     general.architecture  general.type  general.name  general.size_label
///     llama.block_count ... llama.attention.value_length          numbers of the family, some of them only where they are stated
///     general.file_type
///     llama.vocab_size  llama.rope.dimension_count                more of them
///     general.quantization_version
///
/// Everything is read back before it is given out: a model of which such a file would make another one is refused.
package struct GGUFModelKeys: Sendable {
    package let entries: [GGUFMetadata.Entry]
    /// Tensors of factors by which frequencies are divided; most files have none.
    package let factors: [GGUFFactors]
    /// What programs that run such a file compute otherwise.
    package let remarks: [String]

    /// Of the blocks as they are laid out today.
    private static let quantizationVersion: UInt32 = 2

    /// - Parameters:
    ///   - description: of the model, with the rows, the biases and the head that are stored.
    ///   - config: config.json; what it states decides on keys that may be left out.
    ///   - name: `general.name`.
    ///   - fileType: `general.file_type`.
    ///   - path: of the model, for errors.
    /// - Throws: for a family that GGUF files do not have, and for what such a file cannot say of this model; by name.
    package init(
        _ description: ModelDescription, config: JSONObject, name: String, fileType: Int, path: String
    ) throws(FileError) {
        guard let spelling = description.architecture.gguf else {
            throw FileError(
                path, "is a \(description.modelType), for which there are no GGUF files", hint: "a .qnf or a Hugging Face folder keeps it")
        }
        try GGUFFit(description, spelling, path: path).check()
        factors = FrequencyFactors.tensors(of: description)
        remarks = GGUFFit(description, spelling, path: path).remarks
        var entries: [GGUFMetadata.Entry] = [
            .init("general.architecture", .string(spelling.name)), .init("general.type", .string("model")),
            .init("general.name", .string(name)),
            .init("general.size_label", .string(SizeLabel.text(description, others: factors.reduce(0) { $0 + $1.values.count }))),
        ]
        var numbers = NumberKeys(description, spelling, config, path: path)
        entries += try numbers.entries(0..<spelling.leadingNumberCount)
        entries.append(.init("general.file_type", .u32(UInt32(fileType))))
        entries += try numbers.entries(spelling.leadingNumberCount..<spelling.numbers.count)
        entries.append(.init("general.quantization_version", .u32(Self.quantizationVersion)))
        self.entries = entries
        try GGUFFit(description, spelling, path: path).checkReading(of: entries, factors)
    }
}

/// `general.size_label`: how many parameters a model has, to two digits or to the unit.
enum SizeLabel {
    /// `71K`; of experts their number, and what one of them has with everything that is no expert's: `8x7B`.
    ///
    /// - Parameter others: parameters of no tensor of the model.
    static func text(_ description: ModelDescription, others: Int) -> String {
        var (shared, ofExperts) = (others, 0)
        for tensor in description.expectedTensors {
            let count = tensor.dimensions.reduce(1, *)
            if tensor.key.role.isOfExpert { ofExperts += count } else { shared += count }
        }
        guard let mixture = description.mixture else { return text(parameterCount: shared) }
        return "\(mixture.expertCount)x\(text(parameterCount: shared + ofExperts / mixture.expertCount))"
    }

    /// `71K`, `135M`, `8.0B`; above a number of the next unit's name the next unit is taken.
    static func text(parameterCount: Int) -> String {
        let units: [(name: String, size: Double)] = [("T", 1e-12), ("B", 1e-9), ("M", 1e-6)]
        let unit = units.first { Double(parameterCount) * $0.size > 1 } ?? ("K", 1e-3)
        let scaled = Double(parameterCount) * unit.size
        let whole = Int(scaled.rounded(.toNearestOrEven))
        // So many digits behind the point that there are two in all.
        let digits = whole == 0 ? 2 : whole < 10 ? 1 : 0
        guard digits > 0 else { return "\(whole)\(unit.name)" }
        let power = digits == 1 ? 10 : 100
        let shown = Int((scaled * Double(power)).rounded(.toNearestOrEven))
        let fraction = String(shown % power)
        return "\(shown / power).\(String(repeating: "0", count: digits - fraction.count))\(fraction)\(unit.name)"
    }
}

/// The keys of the numbers of a family's table.
private struct NumberKeys {
    let description: ModelDescription
    let spelling: GGUFSpelling
    let config: JSONObject
    let path: String
    /// What a reader knows up to here, by keys or without them.
    private var known: [String: Double] = [:]

    init(_ description: ModelDescription, _ spelling: GGUFSpelling, _ config: JSONObject, path: String) {
        self.description = description
        self.spelling = spelling
        self.config = config
        self.path = path
    }

    /// - Parameter range: of the table.
    mutating func entries(_ range: Range<Int>) throws(FileError) -> [GGUFMetadata.Entry] {
        var entries: [GGUFMetadata.Entry] = []
        for number in spelling.numbers[range] {
            if number.kind == .scaling || number.key == Self.baseKey && !statesScaling {
                let scaling = scaling()
                entries += scaling
                if scaling.isEmpty, statesScaling { entries.append(.init(key(number.key), .string("none"))) }
            }
            if case .text(let text) = number.kind { entries.append(.init(key(number.key), .string(text))) }
            if number.kind == .slidingLayers, let flags = slidingLayers(number.writing) { entries.append(.init(key(number.key), flags)) }
            guard number.isNumber else { continue }
            let usual = GGUFNumbers(known).fallback(of: number)
            guard let value = number.value(description) ?? stated(number) ?? usual else { continue }
            known[number.key] = value
            guard isWritten(number, value, usual: usual) else { continue }
            entries.append(.init(key(number.key), try stored(value, of: number)))
        }
        return entries
    }

    /// What config.json says of a number that no part of the model has.
    private func stated(_ number: GGUFSpelling.Number) -> Double? {
        guard number.kind == .count, number.fallback == .leftOut, let member = number.member else { return nil }
        return config[member]?.integer.flatMap { $0 > 0 ? Double($0) : nil }
    }

    private static let baseKey = "rope.freq_base"
    private var statesScaling: Bool { spelling.numbers.contains { $0.kind == .scaling } }

    /// For each layer whether it slides; nil where the key is left out.
    private func slidingLayers(_ writing: GGUFSpelling.Number.Writing) -> GGUFValue? {
        let flags = description.layers.map { $0.attention.window != nil }
        guard flags.contains(true), let period = spelling.slidingPeriod else { return nil }
        let usual = flags.indices.map { ($0 + 1) % period != 0 }
        guard writing == .always || flags != usual else { return nil }
        return .array(GGUFArray(flags))
    }

    private func key(_ name: String) -> String { "\(spelling.name).\(name)" }

    private func isWritten(_ number: GGUFSpelling.Number, _ value: Double, usual: Double?) -> Bool {
        switch number.writing {
        case .always: return true
        case .whereUnusual: return value != usual
        case .whereStated(let member):
            if let stated = config[member], stated != .null { return true }
            return value != usual
        }
    }

    private func stored(_ value: Double, of number: GGUFSpelling.Number) throws(FileError) -> GGUFValue {
        switch number.kind {
        case .flag: return .bool(value != 0)
        case .count:
            guard let count = UInt32(exactly: value) else {
                throw FileError(path, at: "key '\(key(number.key))'", "would be \(value), but at most \(UInt32.max) can be written")
            }
            return .u32(count)
        default: return .f32(Float(value))
        }
    }

    /// Stands before the base. What is divided as in Llama 3.1 or by LongRoPE has tensors instead.
    private func scaling() -> [GGUFMetadata.Entry] {
        func scaled(_ type: String, by factor: Double) -> [GGUFMetadata.Entry] {
            [.init(key("rope.scaling.type"), .string(type)), .init(key("rope.scaling.factor"), .f32(Float(factor)))]
        }
        switch FrequencyFactors.rotary(of: description)?.scaling {
        case .linear(let factor): return scaled("linear", by: factor)
        case .yarn(let settings):
            guard let original = UInt32(exactly: settings.originalContextLength) else { return [] }
            var entries = scaled("yarn", by: settings.factor)
            entries.append(.init(key("rope.scaling.original_context_length"), .u32(original)))
            for (name, member, value, usual) in [
                ("yarn_beta_fast", "beta_fast", settings.fastTurns, 32.0), ("yarn_beta_slow", "beta_slow", settings.slowTurns, 1),
            ] where value != usual || states(member) {
                entries.append(.init(key("rope.scaling.\(name)"), .f32(Float(value))))
            }
            return entries
        default: return []
        }
    }

    /// Whether config.json has this among its settings of the rotation.
    private func states(_ member: String) -> Bool {
        ["rope_scaling", "rope_parameters"].contains { name in
            let parameters = config[name]?.object
            return [parameters, parameters?["full_attention"]?.object].contains { $0?[member] != nil }
        }
    }
}
