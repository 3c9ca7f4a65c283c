/// What the modules of a family are called in one kind of file: each family has one for Hugging Face's names.
package struct Spelling: Sendable, Hashable {
    /// What precedes all names but the head's: `model.`; files may leave it out.
    package let prefix: String
    /// The part of a name under which layers are numbered: `layers` in `model.layers.3.`
    package let container: String
    /// Modules inside of a layer by role, and outside; `#` stands for the number of an expert.
    private let modules: [TensorRole: String]
    /// Tensors that are parameters of their own: their names end without `.weight`, and those of their biases in `_bias`.
    private let parameters: Set<TensorRole>
    /// Dense weights of linear layers lie as [in, out] (GPT-2's `Conv1D`); quantized ones as [out, in] in any case.
    package let hasConv1D: Bool

    /// What files of a larger model may have in front of a text model's own names, instead of the prefix: `language_model.`; nil
    /// where there is no larger model.
    package let nesting: String?
    /// The module of all experts of a layer in transformers' memory, where it is not the one that files name.
    private let ownExperts: String?

    package init(
        prefix: String, container: String, hasConv1D: Bool = false, parameters: Set<TensorRole> = [], nesting: String? = nil,
        experts: String? = nil, _ modules: [TensorRole: String]
    ) {
        self.prefix = prefix
        self.container = container
        self.modules = modules
        self.parameters = parameters
        self.hasConv1D = hasConv1D
        self.nesting = nesting
        ownExperts = experts
    }

    /// The canonical name of a module: `model.layers.3.self_attn.q_proj`.
    ///
    /// - Precondition: the family has a module of this role.
    package func module(_ key: ModuleKey) -> String {
        let name = name(of: key.role)
        guard let layer = key.layer else { return key.role == .head ? name : prefix + name }
        guard let place = name.firstIndex(of: "#"), let expert = key.expert else { return layerPrefix(layer) + name }
        return "\(layerPrefix(layer))\(name[..<place])\(expert)\(name[name.index(after: place)...])"
    }

    /// The name of a weight within its layer, or without the prefix outside of the layers: `self_attn.q_proj.weight`.
    package func end(of role: TensorRole) -> String { parameters.contains(role) ? name(of: role) : name(of: role) + ".weight" }

    /// The canonical name of a tensor: `model.layers.3.self_attn.q_proj.weight`, `model.layers.3.self_attn.sinks`.
    package func tensor(_ key: ModuleKey, _ part: ExpectedTensor.Part) -> String {
        let module = module(key)
        guard parameters.contains(key.role) else { return "\(module).\(part.rawValue)" }
        return part == .weight ? module : module + "_bias"
    }

    /// The name of a module within its layer, or of one outside of the layers without the prefix.
    package func name(of role: TensorRole) -> String {
        guard let name = modules[role] else { preconditionFailure("a family with \(role) spells it") }
        return name
    }

    /// The canonical name of one row's part of a norm whose weights are stored in parts.
    package func part(_ row: Int, of key: ModuleKey) -> String { Self.part(row, of: module(key)) }

    /// The same of a norm by its own name.
    package static func part(_ row: Int, of module: String) -> String { "\(module).norms.\(row)" }

    /// Path within a layer of the module that has all experts in transformers' memory: `mlp.experts`.
    ///
    /// - Precondition: the family has experts.
    var experts: String {
        if let ownExperts { return ownExperts }
        let down = name(of: .expertDown)
        if let place = down.firstRange(of: ".#") { return String(down[..<place.lowerBound]) }
        let module = down[..<(down.lastIndex(of: ".") ?? down.endIndex)]
        return module.hasSuffix("experts") ? String(module) : module + ".experts"
    }

    package func has(_ role: TensorRole) -> Bool { modules[role] != nil }

    /// The prefix of a layer's names, with its dot: `model.layers.3.`
    package func layerPrefix(_ layer: Int) -> String { "\(prefix)\(container).\(layer)." }

    /// This spelling with some modules called otherwise, or added.
    package func with(_ others: [TensorRole: String], parameters more: Set<TensorRole> = [], experts: String? = nil) -> Spelling {
        Spelling(
            prefix: prefix, container: container, hasConv1D: hasConv1D, parameters: parameters.union(more), nesting: nesting,
            experts: experts ?? ownExperts, modules.merging(others) { _, other in other })
    }

    /// This spelling without some modules.
    package func without(_ roles: Set<TensorRole>) -> Spelling {
        Spelling(
            prefix: prefix, container: container, hasConv1D: hasConv1D, parameters: parameters, nesting: nesting, experts: ownExperts,
            modules.filter { !roles.contains($0.key) })
    }

    /// The same in a larger model, which puts a prefix in front of all names but the head's; files may put `nesting` in front of all.
    package func nested(prefix: String, nesting: String) -> Spelling {
        Spelling(
            prefix: prefix, container: container, hasConv1D: hasConv1D, parameters: parameters, nesting: nesting, experts: ownExperts,
            modules)
    }

    /// Names that a file may have for a tensor, the usual one first.
    ///
    /// OpenAI's own conversion and many others save the model without its head's wrapper, and names without its prefix.
    package func names(inFilesFor name: String) -> [String] {
        let bare = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
        if let nesting { return [name, nesting + (bare.map { "model." + $0 } ?? name)] }
        return [name] + (bare.map { [$0] } ?? [])
    }
}
