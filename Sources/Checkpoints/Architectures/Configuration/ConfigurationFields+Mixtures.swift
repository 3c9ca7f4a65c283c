import JSONText

/// Members of config.json about the experts of a mixture.
extension ConfigurationFields {
    /// Names of all experts' tensors are made before a file is asked for them: no config may make that long.
    private static let expertLimit = 1 << 16

    /// How many experts each layer has, and how many of them a position asks.
    ///
    /// transformers knows the first number by two names in every family.
    func expertCounts(layerCount: Int) throws(ModelError) -> (all: Int, chosen: Int) {
        let all = try count("num_local_experts", "num_experts")
        let chosen = try count("num_experts_per_tok")
        guard chosen <= all else {
            throw ModelError("config.json: num_experts_per_tok is \(chosen), but there are \(all) experts")
        }
        guard all <= Self.expertLimit / layerCount else {
            throw ModelError(
                "config.json: \(layerCount) layers of \(all) experts are more than \(Self.expertLimit) experts, which is not read")
        }
        return (all, chosen)
    }

    /// For each layer whether it has experts: every `decoder_sparse_step`th, but those of `mlp_only_layers`.
    func sparseLayers(layerCount: Int) throws(ModelError) -> [Bool] {
        let step = try optionalCount("decoder_sparse_step") ?? 1
        let dense = try numberedLayers("mlp_only_layers", layerCount: layerCount) ?? []
        return (0..<layerCount).map { !dense.contains($0) && ($0 + 1).isMultiple(of: step) }
    }

    /// The layers that a member lists by their numbers; nil where it is not there.
    func numberedLayers(_ key: String, layerCount: Int) throws(ModelError) -> Set<Int>? {
        guard present(key) != nil else { return nil }
        var layers = Set<Int>()
        for value in try list(key) {
            guard let layer = value.integer, (0..<layerCount).contains(layer) else {
                throw ModelError(
                    "config.json: '\(key)' has \(JSONError.excerpt(value.text(.compact))), but layers go from 0 to \(layerCount - 1)")
            }
            layers.insert(layer)
        }
        return layers
    }

    private func list(_ key: String) throws(ModelError) -> [JSONValue] {
        guard let value = present(key) else { return [] }
        guard let list = value.array else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but a list is expected")
        }
        return list
    }
}
