import ByteIO
import Checkpoints
import JSONText
import TensorCore
import Transformer

extension ModelConfiguration {
    /// The configuration as the stored tensors and the files beside them decide it, where config.json alone does not.
    ///
    /// As in transformers: a stored head that differs from the embedding is used although config.json ties the two; biases that
    /// config.json asks for, but no layer stores, are none (there: zeros); generation_config.json says which tokens end a text.
    func resolved(for checkpoint: Checkpoint) throws(FileError) -> ModelConfiguration {
        var result = self
        try result.resolveHead(checkpoint)
        result.resolveBiases(checkpoint)
        try result.resolveEnds(checkpoint)
        return result
    }

    private mutating func resolveHead(_ checkpoint: Checkpoint) throws(FileError) {
        guard hasTiedHead, let stored = try checkpoint.storedHeadOfTiedPair() else { return }
        hasTiedHead = stored.equalsEmbedding
        remarks.append(stored.warning)
    }

    private mutating func resolveBiases(_ checkpoint: Checkpoint) {
        var names = Set<ByteKey>()
        for tensor in checkpoint.tensors where tensor.name.hasSuffix(".bias") {
            names.insert(ByteKey(tensor.name))
            // Files may leave the prefix out.
            names.insert(ByteKey(namePrefix + tensor.name))
        }
        let (layers, prefixes) = (0..<layerCount, (0..<layerCount).map(layerPrefix))
        var absent: [String] = []
        /// Whether any layer stores one of them; notes those that were asked for and that none does.
        func isStored(_ modules: [String]) -> Bool {
            if layers.contains(where: { layer in modules.contains { names.contains(ByteKey(prefixes[layer] + $0 + ".bias")) } }) {
                return true
            }
            absent += modules.map { "\($0).bias" }
            return false
        }
        guard family == .llama else { return }
        if hasQueryKeyValueBias { hasQueryKeyValueBias = isStored(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]) }
        if hasAttentionOutputBias { hasAttentionOutputBias = isStored(["self_attn.o_proj"]) }
        if hasMLPBias { hasMLPBias = isStored(["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]) }
        guard !absent.isEmpty else { return }
        remarks.append(
            "a \(modelType) with this config.json has biases, but no layer stores \(absent.joined(separator: ", ")): none are added")
    }

    /// Ends of generation_config.json replace those of config.json.
    private mutating func resolveEnds(_ checkpoint: Checkpoint) throws(FileError) {
        let name = "generation_config.json"
        guard let file = checkpoint.files.first(where: { $0.name == name }) else { return }
        let document: JSONValue
        let bytes = try file.bytes()
        do { document = try JSONValue(parsing: bytes) } catch {
            throw FileError(checkpoint.path, at: name, error.description)
        }
        guard let stated = document["eos_token_id"], stated != .null else { return }
        let ids = (stated.array ?? [stated]).map(\.integer)
        guard ids.allSatisfy({ ($0 ?? .max) < .max }) else {
            throw FileError(
                checkpoint.path, at: name,
                "'eos_token_id' is \(JSONError.excerpt(stated.text(.compact))), but token ids are expected")
        }
        endTokenIDs = ids.compactMap(\.self).filter { $0 >= 0 }
    }
}
