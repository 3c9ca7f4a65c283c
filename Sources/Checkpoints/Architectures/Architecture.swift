package import JSONText

/// A kind of model by its `model_type`: how its configuration is read, and what its tensors are called. One row of the registry.
package struct Architecture: Sendable, Hashable {
    typealias Describe = @Sendable (ConfigurationFields, Architecture) throws(ModelError) -> ModelDescription

    /// `model_type` of config.json.
    package let modelType: String
    /// What the names of transformers' classes of it begin with: `Llama`.
    package let classPrefixes: [String]
    /// The class that very old configurations name instead of a type.
    private let causalClasses: [String]
    /// Hugging Face's names.
    package let spelling: Spelling
    /// Whether the head is the embedding where config.json says nothing about it.
    package let isTiedByDefault: Bool
    /// Modules that always store a bias, whatever the configuration says.
    package let biasedRoles: Set<TensorRole>
    /// Modules that the spelling has, but not every configuration.
    package let optionalRoles: Set<TensorRole>
    /// How GGUF files have it; nil where they do not.
    package let gguf: GGUFSpelling?
    /// The members of config.json that `describe` follows.
    let members: Set<String>
    private let describe: Describe

    init(
        modelType: String, classPrefixes: [String], causalClass: String? = nil, spelling: Spelling, isTiedByDefault: Bool = false,
        biasedRoles: Set<TensorRole> = [], optionalRoles: Set<TensorRole> = [], gguf: GGUFSpelling? = nil, members: Set<String>,
        describe: @escaping Describe
    ) {
        self.modelType = modelType
        self.classPrefixes = classPrefixes
        causalClasses = causalClass.map { [$0] } ?? classPrefixes.map { $0 + "ForCausalLM" }
        self.spelling = spelling
        self.isTiedByDefault = isTiedByDefault
        self.biasedRoles = biasedRoles
        self.optionalRoles = optionalRoles
        self.gguf = gguf
        self.members = members
        self.describe = describe
    }

    /// Whether a member of config.json says something of it.
    package func follows(_ member: String) -> Bool { members.contains(member) }

    /// transformers' class of it with a head: `LlamaForCausalLM`.
    package var causalClass: String { causalClasses[0] }

    package static func == (a: Architecture, b: Architecture) -> Bool { a.modelType == b.modelType }
    package func hash(into hasher: inout Hasher) { hasher.combine(modelType) }

    /// All that can be run.
    package static let all: [Architecture] =
        GPT2.architectures + Llama.architectures + Gemma.architectures + Phi.architectures
        + Granite.architectures + Ministral.architectures + SmolLM3.architectures + OLMo.architectures + Exaone.architectures
        + GLM.architectures + Cohere.architectures + StableLM.architectures + Starcoder2.architectures + SeedOSS.architectures
        + Nemotron.architectures + GPTNeoX.architectures + GPTJ.architectures + OPT.architectures + BLOOM.architectures
        + Falcon.architectures + TextParts.architectures + Mixtral.architectures + QwenMixture.architectures
        + OLMoE.architectures + GPTOSS.architectures + Llama4.architectures

    private static let byModelType = Dictionary(uniqueKeysWithValues: all.map { ($0.modelType, $0) })

    /// The one of this `model_type`; nil where it is none that can be run.
    package static func named(_ modelType: String) -> Architecture? { byModelType[modelType] }

    /// The one that a GGUF file calls so, the first where several do; nil where it is none that can be run.
    ///
    /// - Parameter isPositive: whether the file has a number of more than 0 under a key, which stands behind the name and a dot.
    package static func namedInGGUF<Failure: Error>(
        _ name: String, isPositive: (String) throws(Failure) -> Bool
    ) throws(Failure) -> Architecture? {
        let candidates = all.filter { $0.gguf?.name == name }
        for candidate in candidates {
            if let mark = candidate.gguf?.mark, try isPositive(mark) { return candidate }
        }
        return candidates.first { $0.gguf?.mark == nil }
    }

    /// The one of a config.json.
    ///
    /// - Throws: for one that cannot be run, by its names.
    static func of(_ config: JSONObject) throws(ModelError) -> Architecture {
        let className = config["architectures"]?.array?.first?.string
        let modelType = config["model_type"]?.string
        if let modelType {
            if let found = named(modelType) { return found }
        } else if let className, let found = all.first(where: { $0.causalClasses.contains(className) }) {
            return found
        }
        let names = [modelType.map { "model_type '\($0)'" }, className.map { "architecture '\($0)'" }].compactMap(\.self)
        let what = names.isEmpty ? "config.json names no architecture" : "\(names.joined(separator: ", ")) cannot be run"
        throw ModelError(
            "\(what); these can: \(all.map(\.modelType).joined(separator: ", "))",
            hint: "converting, inspecting, merging and verifying work for any architecture")
    }

    func description(_ fields: ConfigurationFields) throws(ModelError) -> ModelDescription { try describe(fields, self) }
}

extension ModelDescription {
    /// Reads config.json, in the spellings of transformers 4 and 5.
    ///
    /// - Throws: for another architecture, for a setting that changes the arithmetic in a way not built here, and for numbers
    ///   that make no sense; each by name.
    package init(config: JSONValue) throws(ModelError) {
        guard let object = config.object else { throw ModelError("config.json is no JSON object") }
        let fields = ConfigurationFields(object)
        let architecture = try Architecture.of(object)
        try fields.requireDecoder()
        self = try architecture.description(fields).stretched()
        remarks = ConfigurationMembers.remarks(on: object, architecture) + remarks
    }
}
