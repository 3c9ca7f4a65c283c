import JSONText

/// Members of config.json that shape the layers of a decoder, as most families of today spell them.
extension ConfigurationFields {
    /// Sizes that all layers share.
    struct Sizes {
        let width: Int
        let headCount: Int
        let keyValueHeadCount: Int
        let headWidth: Int
        let layerCount: Int
        let contextLength: Int
    }

    /// What transformers' class of a family takes where config.json leaves a member out.
    struct SizeDefaults {
        /// Nil for as many as heads.
        let keyValueHeadCount: Int?
        let contextLength: Int
        /// Nil for an even share of the width.
        let headWidth: Int?
    }

    func sizes(_ defaults: SizeDefaults, of architecture: Architecture) throws(ModelError) -> Sizes {
        let width = try count("hidden_size")
        let headCount = try count("num_attention_heads")
        let layerCount = try count("num_hidden_layers", limit: Self.layerLimit)
        // Null always means as many as heads; only the defaults of files that leave it out differ.
        let unstated = object["num_key_value_heads"] == nil ? defaults.keyValueHeadCount : nil
        let keyValueHeadCount = try optionalCount("num_key_value_heads") ?? unstated ?? headCount
        guard headCount % keyValueHeadCount == 0 else {
            throw ModelError(
                "config.json: num_attention_heads is \(headCount), no multiple of num_key_value_heads, \(keyValueHeadCount)")
        }
        return Sizes(
            width: width, headCount: headCount, keyValueHeadCount: keyValueHeadCount,
            headWidth: try headWidth(width: width, headCount: headCount, default: defaults.headWidth, of: architecture),
            layerCount: layerCount,
            contextLength: try optionalCount("max_position_embeddings", limit: Self.limit << 6) ?? defaults.contextLength)
    }

    private func headWidth(
        width: Int, headCount: Int, default fallback: Int?, of architecture: Architecture
    ) throws(ModelError) -> Int {
        let stated = try optionalCount("head_dim")
        if let fallback, object["head_dim"] != nil, stated == nil {
            throw ModelError(
                "config.json: 'head_dim' is null; a \(architecture.classPrefixes[0]) states it, or leaves it out for \(fallback)")
        }
        guard let headWidth = stated ?? fallback ?? (width % headCount == 0 ? width / headCount : nil) else {
            throw ModelError("config.json: hidden_size is \(width), no multiple of num_attention_heads, \(headCount)")
        }
        guard headWidth % 2 == 0 else { throw ModelError("config.json: head_dim is \(headWidth), but elements are rotated in pairs") }
        return headWidth
    }

    /// For each layer whether it slides, by `layer_types`; nil where there are none.
    func slidingLayers(layerCount: Int) throws(ModelError) -> [Bool]? {
        guard let value = present("layer_types") else { return nil }
        guard let types = value.array else {
            throw ModelError("config.json: layer_types is \(JSONError.excerpt(value.text(.compact))), but a list is expected")
        }
        guard types.count == layerCount else {
            throw ModelError("config.json: layer_types has \(types.count) entries, but num_hidden_layers is \(layerCount)")
        }
        var result: [Bool] = []
        for type in types {
            switch type.string {
            case "full_attention": result.append(false)
            case "sliding_attention": result.append(true)
            default: throw ModelError("config.json: layer type \(JSONError.excerpt(type.text(.compact))) is unknown")
            }
        }
        return result
    }

    /// `sliding_window`; nil where it is null.
    func slidingWindow(default fallback: Int) throws(ModelError) -> Int? {
        guard object["sliding_window"] != nil else { return fallback }
        return try optionalCount("sliding_window", limit: Self.limit << 6)
    }

    /// A positive number, the default where the member is left out, and nil where it is null.
    func cap(_ key: String, default fallback: Float?) throws(ModelError) -> Float? {
        guard object[key] != nil else { return fallback }
        guard let value = present(key) else { return nil }
        return Float(try positive(value, key))
    }
}
