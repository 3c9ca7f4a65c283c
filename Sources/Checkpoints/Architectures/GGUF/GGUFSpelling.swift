package import JSONText

/// How a family is written in a GGUF file: names, the keys of its numbers, and how its values differ from Hugging Face's.
///
/// Three things differ, and all follow from the description or are said here: norms whose factor is w + 1 are stored with the 1
/// added, linear weights lie as [out, in] also where Hugging Face has `Conv1D`, and rows of queries and keys may lie in pairs.
package struct GGUFSpelling: Sendable {
    /// `general.architecture`.
    package let name: String
    /// All of them, in the order in which they are written.
    package let numbers: [Number]
    /// How many of the numbers stand before `general.file_type`.
    package let leadingNumberCount: Int
    /// Of each head's queries and keys, row 2j is Hugging Face's row j, and row 2j + 1 its row j + D / 2.
    package let pairsRows: Bool
    /// Whether a file can have the factors of `frequencyFactors`.
    package let takesFrequencyFactors: Bool
    /// Whether the head is always the embedding.
    package let isAlwaysTied: Bool
    /// Whether all queries together always have the width of the model.
    package let hasEvenHeads: Bool
    /// Modules of matrices that can have a bias; those of norms have one or have none.
    package let biases: Set<TensorRole>
    /// Members of config.json that every model of the family has, as the file does not say them.
    package let constants: JSONObject
    /// Adds to config.json what no single key says.
    package let complete: @Sendable (inout JSONObject, GGUFNumbers) -> Void

    init(
        _ name: String, pairsRows: Bool = false, takesFrequencyFactors: Bool = false, isAlwaysTied: Bool = false,
        hasEvenHeads: Bool = false,
        biases: Set<TensorRole> = [.query, .key, .value], constants: JSONObject, numbers: [Number], _ afterFileType: [Number] = [],
        complete: @escaping @Sendable (inout JSONObject, GGUFNumbers) -> Void = { _, _ in }
    ) {
        self.name = name
        self.pairsRows = pairsRows
        self.takesFrequencyFactors = takesFrequencyFactors
        self.isAlwaysTied = isAlwaysTied
        self.hasEvenHeads = hasEvenHeads
        self.biases = biases
        self.constants = constants
        self.numbers = numbers + afterFileType
        leadingNumberCount = numbers.count
        self.complete = complete
    }

    /// What all families call their modules: `attn_q` in `blk.3.attn_q.weight`, `token_embd` outside of the layers.
    package static let modules: [TensorRole: String] = [
        .embedding: "token_embd", .positions: "position_embd", .attentionNorm: "attn_norm", .fusedQueryKeyValue: "attn_qkv",
        .query: "attn_q", .key: "attn_k", .value: "attn_v", .queryNorm: "attn_q_norm", .keyNorm: "attn_k_norm",
        .attentionOutput: "attn_output", .attentionPostNorm: "post_attention_norm", .feedForwardNorm: "ffn_norm", .gate: "ffn_gate",
        .fusedGateUp: "ffn_up", .up: "ffn_up", .down: "ffn_down", .router: "ffn_gate_inp", .sharedGate: "ffn_gate_shexp",
        .sharedUp: "ffn_up_shexp",
        .sharedDown: "ffn_down_shexp", .sharedWeight: "ffn_gate_inp_shexp", .expertGate: "ffn_gate_exps", .expertUp: "ffn_up_exps",
        .expertDown: "ffn_down_exps", .feedForwardPostNorm: "post_ffw_norm", .finalNorm: "output_norm", .head: "output",
    ]
    private static let roles = Dictionary(modules.map { ($1, [$0]) }, uniquingKeysWith: +)

    /// The factors by which frequencies are divided, [D / 2]: a tensor of no module.
    package static let frequencyFactors = "rope_freqs.weight"

    /// Whether its models have experts: of two families that a file calls the same, the number of experts tells which it is.
    package var hasExperts: Bool { numbers.contains { $0.key == Self.expertCount } }
    /// Behind the name of the architecture and a dot.
    package static let expertCount = "expert_count"

    /// The name of a tensor: `blk.3.attn_q.weight`. The matrices of all experts of a layer are one tensor.
    package static func name(_ key: ModuleKey, _ part: ExpectedTensor.Part) -> String {
        guard let module = modules[key.role] else { preconditionFailure("families of GGUF files have modules of the table alone") }
        return (key.layer.map { "blk.\($0)." } ?? "") + "\(module).\(part.rawValue)"
    }

    /// Where the file has a row of a head whose rows lie in pairs: row j at 2j, row j + D / 2 at 2j + 1.
    package static func pairedRow(_ row: Int, headWidth: Int) -> Int {
        row < headWidth / 2 ? 2 * row : 2 * (row - headWidth / 2) + 1
    }

    /// The module of a tensor's name; nil of a name that is none of the family's.
    ///
    /// - Parameter spelling: of the family, which tells apart modules that files call the same.
    package static func module(named name: String, of spelling: Spelling) -> (key: ModuleKey, part: ExpectedTensor.Part)? {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard let part = parts.popLast().flatMap({ ExpectedTensor.Part(rawValue: String($0)) }) else { return nil }
        var layer: Int?
        if parts.count == 3, parts[0] == "blk" {
            guard let number = Int(parts[1]), number >= 0, String(number) == parts[1] else { return nil }
            layer = number
            parts.removeFirst(2)
        }
        guard parts.count == 1, let role = roles[String(parts[0])]?.first(where: spelling.has), role.isInLayer == (layer != nil) else {
            return nil
        }
        return (ModuleKey(role, layer: layer), part)
    }
}
