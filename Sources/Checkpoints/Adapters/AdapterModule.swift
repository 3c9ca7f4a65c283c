import TensorCore

/// One thing that an adapter does to one module of its base.
///
/// A module can have several: low-rank factors for its weight, and a bias that replaces the base's.
package struct AdapterModule: Sendable {
    package enum Change: Sendable {
        /// Of a linear layer (`nn.Linear` or `Conv1D`): the weight, and the bias where there is one.
        case linear(LowRankUpdate)
        /// Of an embedding table.
        case embedding(LowRankUpdate)
        /// A whole parameter that takes the place of the base's: `modules_to_save`, trained biases, resized embeddings.
        case replacement(parameter: String, AdapterTensor)
        /// Rows [k, dim] that take the place of those with these indices in an embedding table (`trainable_token_indices`).
        ///
        /// They replace the rows of a tied output head, too: PEFT keeps the two in step, unlike with `embedding`.
        case rows(AdapterTensor, indices: [Int])
        /// Of a parameter that holds all experts of a layer (`target_parameters`); `Adapter.placed` takes them apart.
        case experts(ExpertUpdate)
    }

    /// Path of the module in the base, as Hugging Face names it: `model.layers.0.self_attn.q_proj`.
    package let name: String
    package let change: Change
    /// [vocabulary, dim], beside rows: the base's own table, which PEFT saves where it had been resized before training.
    package let table: AdapterTensor?
    /// The base's own parameter saved again, and none that was trained apart: what is tied to it in the base is the same.
    ///
    /// So PEFT saves embedding and head of a base that was resized, without naming them in `modules_to_save`.
    package let isBaseParameter: Bool
    /// Stored once more, or as the base had it: PEFT writes both beside modules to save where it saves embeddings besides.
    package let copies: [AdapterTensor]

    init(name: String, change: Change, table: AdapterTensor? = nil, isBaseParameter: Bool = false, copies: [AdapterTensor] = []) {
        self.name = name
        self.change = change
        self.table = table
        self.isBaseParameter = isBaseParameter
        self.copies = copies
    }

    /// Name of the tensor of the base that is changed: `model.layers.0.self_attn.q_proj.weight`.
    package var parameterName: String {
        switch change {
        case .replacement(let parameter, _): name.isEmpty ? parameter : "\(name).\(parameter)"
        case .experts: name
        case .linear, .embedding, .rows: "\(name).weight"
        }
    }

    /// The low-rank factors, of whichever kind of module.
    package var update: LowRankUpdate? {
        switch change {
        case .linear(let update), .embedding(let update): update
        case .replacement, .rows, .experts: nil
        }
    }

    /// Every stored tensor that belongs to it; copies of the base's weight last.
    package var tensors: [AdapterTensor] {
        switch change {
        case .linear(let update), .embedding(let update):
            [update.a, update.b] + [update.bias, update.magnitude, update.baseCopy].compactMap { $0 } + copies
        case .replacement(_, let tensor): [tensor] + copies
        case .experts(let update): [update.a, update.b] + copies
        case .rows(let tensor, _): [tensor] + [table].compactMap { $0 } + copies
        }
    }

    /// Numbers that training changed: all but copies of the base's weight.
    package var trainedCount: Int {
        let untrained = [update?.baseCopy, table].compactMap { $0 } + copies
        return tensors.reduce(0) { $0 + $1.info.elementCount } - untrained.reduce(0) { $0 + $1.info.elementCount }
    }
}

/// What LoRA adds to all experts of a layer, whose matrices are one parameter in memory.
///
///     A [E r, in]      B [out, E r]      E experts: only the base knows how many
package struct ExpertUpdate: Sendable {
    package let a: AdapterTensor
    package let b: AdapterTensor
    /// PEFT wraps the module once for each parameter: how many wrappers lie around this one.
    package let depth: Int
}
