/// Tensors of three dimensions that hold a matrix for each expert of a layer.
///
/// transformers holds the experts of every family so in memory; these are the names of those that it writes so, too.
enum ExpertStacks {
    /// Ends of names, with the dot before them: gate and up in one, then down.
    private static let ends = [
        ".experts.gate_up_proj", ".experts.down_proj", ".block_sparse_moe.input_linear.weight", ".block_sparse_moe.output_linear.weight",
    ]
    /// Matrices of these lie as [in, out].
    private static let familiesByInputs: Set<String> = ["gpt_oss", "llama4", "llama4_text"]

    static func isStack(_ name: String) -> Bool { ends.contains { name.hasSuffix($0) } }

    static func liesByInputs(_ name: String, in modelTypes: Set<String>) -> Bool {
        !modelTypes.isDisjoint(with: familiesByInputs) && ends[..<2].contains { name.hasSuffix($0) }
    }
}
