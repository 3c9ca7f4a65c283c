import JSONText
import TensorCore

/// What a checkpoint lacks: tensors that its family always has, layers that config.json counts, and tensors that all layers
/// of the same kind have but one.
///
/// Of a family that is not known only the latter is told, and only where no model of practice would be accused: a first or last
/// layer may do without a norm, and layers may differ in kind.
package struct MissingTensors {
    package struct Finding: Sendable, Hashable {
        /// A tensor, or a whole layer.
        package let name: String
        package let reason: String
    }

    private let names: Set<ByteKey>
    private let shapes: [ByteKey: Shape]
    private let stacks: [LayerStack]
    /// Weights of 8-bit floats, with and without scales.
    private let smallFloats: [String]
    /// By module, the last part of the name of its scale.
    private let scales: [String: String]
    private let config: JSONValue
    private let architecture: ModelIdentity
    /// By name; several rules may miss the same tensor.
    private var reasons: [String: String] = [:]

    /// In natural order; nothing where no config.json says what the checkpoint should be.
    package static func find(in checkpoint: Checkpoint) -> [Finding] {
        guard let config = checkpoint.config, config.object != nil, checkpoint.kind != .tensorFlow else {
            return []
        }
        var search = MissingTensors(checkpoint, config)
        search.findLostScales()
        // Packed weights, and those of other programs, have other names.
        if [nil, .unscaledFloat8].contains(checkpoint.foreignWeights?.kind) { search.run() }
        return search.reasons.map { Finding(name: $0.key, reason: $0.value) }.sorted { NaturalOrder.precedes($0.name, $1.name) }
    }

    private init(_ checkpoint: Checkpoint, _ config: JSONValue) {
        names = Set(checkpoint.tensors.map { ByteKey($0.name) })
        shapes = Dictionary(checkpoint.tensors.map { (ByteKey($0.name), $0.shape) }, uniquingKeysWith: { first, _ in first })
        stacks = LayerStack.all(in: checkpoint.tensors.lazy.map(\.name)).filter(\.isTransformer)
        smallFloats = checkpoint.source.tensors.filter { [.f8e4m3, .f8e5m2].contains($0.scalarType) && $0.name.hasSuffix(".weight") }
            .map(\.name)
        scales = smallFloats.isEmpty ? [:] : Self.scales(checkpoint.source.tensors)
        self.config = config
        architecture = checkpoint.architecture
    }

    private mutating func run() {
        let text = config["text_config"].flatMap { $0.object == nil ? nil : $0 } ?? config
        let family = FamilyTensors(text)
        let main = family.flatMap(mainStack)
        if let family, let main { findKnown(family, main, text) }
        for stack in stacks {
            let isKnown = stack.path == main?.path
            findGaps(in: stack)
            findUnlike(in: stack, isKnown: isKnown)
            findLoneBiases(in: stack)
        }
        if let count = layerCount(text), let stack = main ?? (config["text_config"] == nil && stacks.count == 1 ? stacks[0] : nil) {
            for number in 0..<count where stack.layers[number] == nil {
                add("\(stack.path).\(number)", "the whole layer is missing: config.json has \(count) layers")
            }
        }
    }

    private mutating func add(_ name: String, _ reason: String) { if reasons[name] == nil { reasons[name] = reason } }

    /// The text model's layers, among those of image and sound.
    private func mainStack(_ family: FamilyTensors) -> LayerStack? {
        let found = stacks.filter { stack in
            stack.container == family.container && !["vision", "visual", "image", "audio"].contains { stack.path.contains($0) }
        }
        return found.first { $0.path.contains("language_model") } ?? found.min { $0.path.utf8.count < $1.path.utf8.count }
    }

    private func layerCount(_ text: JSONValue) -> Int? {
        for key in ["num_hidden_layers", "n_layer", "num_layers", "n_layers"] {
            if let count = text[key]?.integer, (1..<(1 << 16)).contains(count) { return count }
        }
        return nil
    }

    // MARK: - Known families

    private mutating func findKnown(_ family: FamilyTensors, _ stack: LayerStack, _ text: JSONValue) {
        let reason = "is missing: every '\(text["model_type"]?.string ?? "")' model has it"
        for number in stack.layers.keys {
            for rest in family.layer where stack.layers[number]?.contains(rest) == false { add(stack.name(number, rest), reason) }
        }
        let embedding = stack.base + family.embedding
        // In a model of several parts, what is beside the layers may lie elsewhere.
        let isBeside = config["text_config"] == nil || ([family.embedding] + family.outside).contains { has(stack.base + $0) }
        guard isBeside else { return }
        for name in family.outside where !has(stack.base + name) { add(stack.base + name, reason) }
        let hasHead = names.contains { key in family.head.contains { key.text == $0 || key.text.hasSuffix("." + $0) } }
        let isTied = isTied(text, family)
        if !has(embedding), !(isTied && hasHead) { add(embedding, reason) }
        guard !isTied, hasOutput(stack) else { return }
        for name in family.head where !hasEnd(name) {
            add(name, "is missing: config.json says that the head is not tied to the embedding")
        }
    }

    private func has(_ name: String) -> Bool { names.contains(ByteKey(name)) }
    private func hasEnd(_ name: String) -> Bool { names.contains { $0.text == name || $0.text.hasSuffix("." + name) } }

    /// Of a model of several parts only the outer configuration counts, and only where it says so.
    private func isTied(_ text: JSONValue, _ family: FamilyTensors) -> Bool {
        if let stated = config["tie_word_embeddings"]?.bool { return stated }
        if config["text_config"] != nil { return true }
        return text["tie_word_embeddings"]?.bool ?? family.isTiedByDefault
    }

    /// Whether the class has a head that gives logits; without a class, names that begin with a model's say so.
    private func hasOutput(_ stack: LayerStack) -> Bool {
        guard let className = architecture.className else { return !stack.base.isEmpty }
        return ["ForCausalLM", "LMHeadModel", "ForConditionalGeneration"].contains { className.hasSuffix($0) }
    }

    // MARK: - Structure

    private mutating func findGaps(in stack: LayerStack) {
        guard let last = stack.layers.keys.max(), last < 8 * stack.layers.count else { return }
        for number in 0..<last where stack.layers[number] == nil {
            add("\(stack.path).\(number)", "the whole layer is missing: there are others before and behind it")
        }
    }

    /// A layer that has less than others have, and nothing that they have not, lacks the rest.
    private mutating func findUnlike(in stack: LayerStack, isKnown: Bool) {
        let kinds = Dictionary(grouping: stack.layers.keys, by: { stack.layers[$0] ?? [] })
        guard kinds.count > 1, let last = stack.layers.keys.max() else { return }
        for (kind, numbers) in kinds where isKnown || numbers.count == 1 {
            let wider = kinds.filter { $0.key.count > kind.count && kind.isSubset(of: $0.key) }
            guard let nearest = wider.min(by: { ($0.key.count, $0.value.count) < ($1.key.count, $1.value.count) }) else { continue }
            let absent = nearest.key.subtracting(kind)
            for number in numbers {
                let isInside = number > 0 && number < last && nearest.value.count > 1
                let isCertain = isKnown || isInside || absent.contains { isLinear(stack.name(nearest.value[0], $0)) }
                guard isCertain else { continue }
                for rest in absent { add(stack.name(number, rest), "is missing: other layers of the same kind have it") }
            }
        }
    }

    private func isLinear(_ name: String) -> Bool {
        guard let shape = shapes[ByteKey(name)] else { return false }
        return LinearLayers.role(of: name, shape: shape) == .linear
    }

    /// A bias whose module stores nothing else has lost its weight.
    private mutating func findLoneBiases(in stack: LayerStack) {
        for (number, rests) in stack.layers {
            for bias in rests where bias.hasSuffix(".bias") {
                let module = bias.dropLast("bias".count)
                guard !rests.contains(where: { $0 != bias && $0.hasPrefix(module) }) else { continue }
                add(stack.name(number, module + "weight"), "is missing beside its bias")
            }
        }
    }

    private static func scales(_ infos: [TensorInfo]) -> [String: String] {
        var scales: [String: String] = [:]
        for info in infos {
            let parts = info.name.split(separator: ".", omittingEmptySubsequences: false)
            guard let last = parts.last, last.contains("scale"), !last.hasPrefix("input") else { continue }
            scales[parts.dropLast().joined(separator: ".")] = String(last)
        }
        return scales
    }

    /// Where some 8-bit floats have scales, others mean nothing without theirs. (Where none have, `ForeignWeights` says so.)
    private mutating func findLostScales() {
        let modules = smallFloats.map { String($0.dropLast(".weight".count)) }
        guard let scale = modules.compactMap({ scales[$0] }).min() else { return }
        for module in modules where scales[module] == nil {
            add("\(module).\(scale)", "is missing: the weight is of 8-bit floats, which mean nothing without it")
        }
    }
}
