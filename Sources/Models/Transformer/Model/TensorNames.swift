/// A tensor that a model must have: its canonical name and its dense shape, as transformers stores it.
package struct ExpectedTensor: Sendable, Hashable {
    package let name: String
    package let dimensions: [Int]
    /// Lies as [in, out] when dense (GPT-2's `Conv1D`), quantized as [out, in] in any case.
    package let isConv1D: Bool

    package init(name: String, dimensions: [Int], isConv1D: Bool) {
        self.name = name
        self.dimensions = dimensions
        self.isConv1D = isConv1D
    }
}

extension ModelConfiguration {
    /// What precedes all names but the head's: `transformer.` or `model.`; files may leave it out.
    package var namePrefix: String { family == .gpt2 ? "transformer." : "model." }

    package var embeddingName: String { namePrefix + (family == .gpt2 ? "wte" : "embed_tokens") }

    /// The output head's module; with a tied head its weight is the embedding's.
    package var headName: String { "lm_head" }

    package var finalNormName: String { namePrefix + (family == .gpt2 ? "ln_f" : "norm") }

    /// The prefix of a layer's names, with its dot: `model.layers.3.`.
    package func layerPrefix(_ layer: Int) -> String {
        family == .gpt2 ? "transformer.h.\(layer)." : "model.layers.\(layer)."
    }

    /// Every tensor of the model, in the order of the forward pass.
    package var expectedTensors: [ExpectedTensor] {
        var names = NameList(isConv1D: family == .gpt2)
        names.add(embeddingName + ".weight", [vocabularySize, width])
        if family == .gpt2 { names.add(namePrefix + "wpe.weight", [contextLength, width]) }
        for layer in 0..<layerCount {
            if family == .gpt2 { addGPT2Layer(layer, to: &names) } else { addLlamaLayer(layer, to: &names) }
        }
        names.addNorm(finalNormName, width, hasBias: family == .gpt2)
        if !hasTiedHead { names.add(headName + ".weight", [vocabularySize, width]) }
        return names.tensors
    }

    private func addGPT2Layer(_ layer: Int, to names: inout NameList) {
        let prefix = layerPrefix(layer)
        names.addNorm(prefix + "ln_1", width, hasBias: true)
        names.addLinear(prefix + "attn.c_attn", in: width, out: 3 * width, hasBias: true)
        names.addLinear(prefix + "attn.c_proj", in: width, out: width, hasBias: true)
        names.addNorm(prefix + "ln_2", width, hasBias: true)
        names.addLinear(prefix + "mlp.c_fc", in: width, out: innerWidth, hasBias: true)
        names.addLinear(prefix + "mlp.c_proj", in: innerWidth, out: width, hasBias: true)
    }

    private func addLlamaLayer(_ layer: Int, to names: inout NameList) {
        let prefix = layerPrefix(layer)
        names.addNorm(prefix + "input_layernorm", width, hasBias: false)
        names.addLinear(prefix + "self_attn.q_proj", in: width, out: queryWidth, hasBias: hasQueryKeyValueBias)
        names.addLinear(prefix + "self_attn.k_proj", in: width, out: keyValueWidth, hasBias: hasQueryKeyValueBias)
        names.addLinear(prefix + "self_attn.v_proj", in: width, out: keyValueWidth, hasBias: hasQueryKeyValueBias)
        if hasQueryKeyNorm {
            names.addNorm(prefix + "self_attn.q_norm", headWidth, hasBias: false)
            names.addNorm(prefix + "self_attn.k_norm", headWidth, hasBias: false)
        }
        names.addLinear(prefix + "self_attn.o_proj", in: queryWidth, out: width, hasBias: hasAttentionOutputBias)
        names.addNorm(prefix + "post_attention_layernorm", width, hasBias: false)
        names.addLinear(prefix + "mlp.gate_proj", in: width, out: innerWidth, hasBias: hasMLPBias)
        names.addLinear(prefix + "mlp.up_proj", in: width, out: innerWidth, hasBias: hasMLPBias)
        names.addLinear(prefix + "mlp.down_proj", in: innerWidth, out: width, hasBias: hasMLPBias)
    }
}

private struct NameList {
    let isConv1D: Bool
    var tensors: [ExpectedTensor] = []

    init(isConv1D: Bool) { self.isConv1D = isConv1D }

    mutating func add(_ name: String, _ dimensions: [Int]) {
        tensors.append(ExpectedTensor(name: name, dimensions: dimensions, isConv1D: false))
    }

    mutating func addNorm(_ module: String, _ width: Int, hasBias: Bool) {
        add(module + ".weight", [width])
        if hasBias { add(module + ".bias", [width]) }
    }

    mutating func addLinear(_ module: String, in inputs: Int, out outputs: Int, hasBias: Bool) {
        tensors.append(
            ExpectedTensor(
                name: module + ".weight", dimensions: isConv1D ? [inputs, outputs] : [outputs, inputs], isConv1D: isConv1D))
        if hasBias { add(module + ".bias", [outputs]) }
    }
}
