package import JSONText

/// How a family is written in a GGUF file: names, the keys of its numbers, and how its values differ from Hugging Face's.
///
/// Four things differ, and all follow from the description or are said here: norms whose factor is w + 1 are stored with the 1
/// added, linear weights lie as [out, in] also where Hugging Face has `Conv1D`, rows of queries and keys may lie in pairs, and a matrix
/// that makes queries, keys and values of groups of heads in turn has all queries first (`GroupedHeads`).
package struct GGUFSpelling: Sendable {
    /// What a family's config.json is completed by.
    package struct Contents: Sendable {
        package let numbers: GGUFNumbers
        /// Whether the file has a tensor of this name.
        package let has: @Sendable (String) -> Bool

        package init(_ numbers: GGUFNumbers, has: @escaping @Sendable (String) -> Bool) {
            self.numbers = numbers
            self.has = has
        }
    }

    /// What a program that runs files of the family takes for granted of every model, as no key says it.
    package enum Limit: Sendable {
        /// The head is the embedding.
        case tiedHead
        /// The head is a matrix of its own.
        case ownHead
        /// All queries together have the width of the model.
        case evenHeads
        /// There are as many keys as heads.
        case keyForEachHead
        /// Matrices of these modules have a bias.
        case biases(Set<TensorRole>)
        /// Gives what stands against it, after the name of the model; nil of a model that can be run.
        case other(@Sendable (ModelDescription) -> String?)
    }

    /// `general.architecture`.
    package let name: String
    /// A key that is there, and more than 0, in files of this family and in none of others that files call the same; nil for none.
    package let mark: String?
    /// All of them, in the order in which they are written.
    package let numbers: [Number]
    /// How many of the numbers stand before `general.file_type`.
    package let leadingNumberCount: Int
    /// Of each head's queries and keys, row 2j is Hugging Face's row j, and row 2j + 1 its row j + D / 2.
    package let pairsRows: Bool
    /// Whether a matrix for queries, keys and values may have those of groups of heads in turn elsewhere (`GroupedHeads`).
    package let groupsHeads: Bool
    /// Whether a file can have the factors of `frequencyFactors`.
    package let takesFrequencyFactors: Bool
    /// Whether a file can have those of `longFactors` and `shortFactors`.
    package let takesLongFactors: Bool
    /// Of layers that slide and layers that do not: every so many-th does not, where the file says nothing; nil of other families.
    package let slidingPeriod: Int?
    /// Whether programs that run such files follow stated bounds of YaRN, and do not take those of 32 turns and of one.
    package let followsYarnBounds: Bool
    /// Whether programs round YaRN's bounds outwards in any case, which the family does not.
    package let hasRoundedYarn: Bool
    /// Whether experts that are MXFP4 are written as they are, whatever is asked for, as they were never anything else.
    package let keepsMXFP4: Bool
    /// What is called otherwise than in `modules`.
    package let renamed: @Sendable (ModelDescription?) -> [TensorRole: String]
    /// Modules of matrices that can have a bias; those of norms have one or have none.
    package let biases: Set<TensorRole>
    /// Members of config.json that every model of the family has, as the file does not say them.
    package let constants: JSONObject
    /// What programs that run such files take for granted.
    package let limits: [Limit]
    /// Adds to config.json what no single key says.
    package let complete: @Sendable (inout JSONObject, Contents) -> Void

    init(
        _ name: String, mark: String? = nil, pairsRows: Bool = false, groupsHeads: Bool = false, takesFrequencyFactors: Bool = false,
        takesLongFactors: Bool = false,
        slidingPeriod: Int? = nil, followsYarnBounds: Bool = false, hasRoundedYarn: Bool = false,
        keepsMXFP4: Bool = false,
        renamed: @escaping @Sendable (ModelDescription?) -> [TensorRole: String] = { _ in [:] },
        biases: Set<TensorRole> = [.query, .key, .value], constants: JSONObject, numbers: [Number], _ afterFileType: [Number] = [],
        limits: [Limit] = [],
        complete: @escaping @Sendable (inout JSONObject, Contents) -> Void = { _, _ in }
    ) {
        self.name = name
        self.mark = mark
        self.pairsRows = pairsRows
        self.groupsHeads = groupsHeads
        self.takesFrequencyFactors = takesFrequencyFactors
        self.takesLongFactors = takesLongFactors
        self.slidingPeriod = slidingPeriod
        self.followsYarnBounds = followsYarnBounds
        self.hasRoundedYarn = hasRoundedYarn
        self.keepsMXFP4 = keepsMXFP4
        self.renamed = renamed
        self.biases = biases
        self.constants = constants
        self.numbers = numbers + afterFileType
        leadingNumberCount = numbers.count
        self.limits = limits
        self.complete = complete
    }

    /// What families call their modules: `attn_q` in `blk.3.attn_q.weight`, `token_embd` outside of the layers.
    package static let modules: [TensorRole: String] = [
        .embedding: "token_embd", .positions: "position_embd", .embeddingNorm: "token_embd_norm", .attentionNorm: "attn_norm",
        .fusedQueryKeyValue: "attn_qkv", .query: "attn_q", .key: "attn_k", .value: "attn_v", .queryNorm: "attn_q_norm",
        .keyNorm: "attn_k_norm", .sinks: "attn_sinks", .attentionOutput: "attn_output", .attentionPostNorm: "post_attention_norm",
        .feedForwardNorm: "ffn_norm", .gate: "ffn_gate", .fusedGateUp: "ffn_up", .up: "ffn_up", .down: "ffn_down",
        .router: "ffn_gate_inp", .sharedGate: "ffn_gate_shexp", .sharedUp: "ffn_up_shexp", .sharedDown: "ffn_down_shexp",
        .sharedWeight: "ffn_gate_inp_shexp", .expertGate: "ffn_gate_exps", .expertUp: "ffn_up_exps", .expertDown: "ffn_down_exps",
        .feedForwardPostNorm: "post_ffw_norm", .finalNorm: "output_norm", .head: "output",
    ]
    private static let roles = Dictionary(modules.map { ($1, [$0]) }, uniquingKeysWith: +)

    /// The factors by which frequencies are divided, [R / 2]: a tensor of no module.
    package static let frequencyFactors = "rope_freqs.weight"
    /// The same in contexts longer than that of pretraining, and in others (LongRoPE).
    package static let longFactors = "rope_factors_long.weight"
    package static let shortFactors = "rope_factors_short.weight"
    /// All of these tensors.
    package static let factorNames = [frequencyFactors, longFactors, shortFactors]

    /// Behind the name of the architecture and a dot.
    package static let expertCount = "expert_count"

    /// The name of a tensor: `blk.3.attn_q.weight`. The matrices of all experts of a layer are one tensor.
    ///
    /// - Parameter renamed: what the family calls otherwise.
    package static func name(_ key: ModuleKey, _ part: ExpectedTensor.Part, _ renamed: [TensorRole: String] = [:]) -> String {
        guard let module = renamed[key.role] ?? modules[key.role] else {
            preconditionFailure("families of GGUF files have modules of the table alone")
        }
        return (key.layer.map { "blk.\($0)." } ?? "") + "\(module).\(part.rawValue)"
    }

    /// Where the file has a row of a head whose rows lie in pairs: row j at 2j, row j + D / 2 at 2j + 1.
    package static func pairedRow(_ row: Int, headWidth: Int) -> Int {
        row < headWidth / 2 ? 2 * row : 2 * (row - headWidth / 2) + 1
    }

    /// The module of a tensor's name; nil of a name that is none of the family's.
    ///
    /// - Parameters:
    ///   - spelling: of the family, which tells apart modules that files call the same.
    ///   - renamed: what the family calls otherwise.
    package static func module(
        named name: String, of spelling: Spelling, _ renamed: [TensorRole: String] = [:]
    ) -> (key: ModuleKey, part: ExpectedTensor.Part)? {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard let part = parts.popLast().flatMap({ ExpectedTensor.Part(rawValue: String($0)) }) else { return nil }
        var layer: Int?
        if parts.count == 3, parts[0] == "blk" {
            guard let number = Int(parts[1]), number >= 0, String(number) == parts[1] else { return nil }
            layer = number
            parts.removeFirst(2)
        }
        guard parts.count == 1 else { return nil }
        let module = String(parts[0])
        let possible = renamed.filter { $1 == module }.map(\.key) + (roles[module] ?? []).filter { renamed[$0] == nil }
        // Where gate and up of all experts are one tensor elsewhere, files have two.
        func has(_ role: TensorRole) -> Bool {
            spelling.has(role) || spelling.has(.expertGateUp) && (role == .expertGate || role == .expertUp)
        }
        guard let role = possible.first(where: has), role.isInLayer == (layer != nil) else { return nil }
        return (ModuleKey(role, layer: layer), part)
    }
}

extension ModelDescription {
    /// What a GGUF file of the family calls a tensor of this model.
    package func nameInGGUF(_ key: ModuleKey, _ part: ExpectedTensor.Part) -> String {
        GGUFSpelling.name(key, part, architecture.gguf?.renamed(self) ?? [:])
    }

    /// The module of a tensor's name in a GGUF file of this model; nil of a name that is none of the family's.
    package func module(namedInGGUF name: String) -> (key: ModuleKey, part: ExpectedTensor.Part)? {
        GGUFSpelling.module(named: name, of: spelling, architecture.gguf?.renamed(self) ?? [:])
    }
}
