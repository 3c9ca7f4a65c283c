package import Architectures
package import ByteIO
import JSONText
import TensorCore

extension Checkpoint {
    /// What the model computes: what config.json says, held against the tensors that are stored and generation_config.json.
    package func describedModel() throws(FileError) -> ModelDescription {
        try requireReadableWeights()
        guard let config else {
            throw FileError(
                path, "has no config.json, which says how the weights are to be used",
                hint: "open the folder of the model, with config.json beside the weights")
        }
        let stated: ModelDescription
        do throws(ModelError) { stated = try ModelDescription(config: config) } catch {
            throw FileError(path, error.message, hint: error.hint)
        }
        return try stated.resolved(for: self)
    }
}

extension ModelDescription {
    /// The configuration as the stored tensors and the files beside them decide it, where config.json alone does not.
    ///
    /// As in transformers: a stored head that differs from the embedding is used although config.json ties the two; biases that
    /// config.json asks for, but no layer stores, are none (there: zeros); generation_config.json says which tokens end a text.
    fileprivate func resolved(for checkpoint: Checkpoint) throws(FileError) -> ModelDescription {
        var result = self
        try result.resolveHead(checkpoint)
        result.resolveBiases(checkpoint)
        result.roundEmbeddingScale(checkpoint)
        try result.resolveEnds(checkpoint)
        return result
    }

    private mutating func resolveHead(_ checkpoint: Checkpoint) throws(FileError) {
        guard head.isTied, let stored = try checkpoint.storedHeadOfTiedPair() else { return }
        head.isTied = stored.equalsEmbedding
        remarks.append(stored.warning)
    }

    private mutating func resolveBiases(_ checkpoint: Checkpoint) {
        var names = Set<ByteKey>()
        for tensor in checkpoint.tensors where tensor.name.hasSuffix(".bias") { names.insert(ByteKey(tensor.name)) }
        var absent: [String] = []
        /// Leaves out those of a kind that no layer stores, and notes them.
        func resolve(_ flag: WritableKeyPath<LayerDescription, Bool>, _ roles: [TensorRole], _ layers: inout [LayerDescription]) {
            let roles = roles.filter { role in layers.contains { $0.linearRoles.contains(role) } }
            guard architecture.biasedRoles.isDisjoint(with: roles) else { return }
            // Biases of experts in one tensor are no layers' own.
            let asked = layers.indices.filter { layer in
                layers[layer][keyPath: flag] && roles.contains { layers[layer].linearRoles.contains($0) }
            }
            let isStored = asked.contains { layer in
                roles.contains { role in
                    spelling.names(inFilesFor: name(role, layer: layer) + ".bias").contains { names.contains(ByteKey($0)) }
                }
            }
            guard !asked.isEmpty, !isStored else { return }
            for layer in asked { layers[layer][keyPath: flag] = false }
            absent += roles.map { "\(spelling.name(of: $0)).bias" }
        }
        var resolved = layers
        resolve(\.attention.hasInputBias, [.fusedQueryKeyValue, .query, .key, .value], &resolved)
        resolve(\.attention.hasOutputBias, [.attentionOutput], &resolved)
        resolve(\.feedForward.hasBias, [.fusedGateUp, .gate, .up, .down], &resolved)
        layers = resolved
        guard !absent.isEmpty else { return }
        remarks.append(
            "a \(modelType) with this config.json has biases, but no layer stores \(absent.joined(separator: ", ")): none are added")
    }

    /// The factor of the embedding has the type of the weights, as transformers keeps it.
    private mutating func roundEmbeddingScale(_ checkpoint: Checkpoint) {
        let names = [name(.embedding), name(.head)].flatMap { spelling.names(inFilesFor: $0 + ".weight") }.map { ByteKey($0) }
        guard roundsEmbeddingScale, let tensor = checkpoint.tensors.first(where: { names.contains(ByteKey($0.name)) }) else { return }
        embeddingScale = FloatConversion.rounded(unroundedEmbeddingScale, to: tensor.scalarType)
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
