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

        func attention(
            _ projections: Attention.Projections = .separate, scale: Float? = nil, window: Int? = nil, chunk: Int? = nil,
            rotary: RotaryEmbedding? = nil,
            headNorm: Norm? = nil, headNormScope: Attention.HeadNormScope = .head, clip: Float? = nil, positionBias: PositionBias? = nil,
            temperature: QueryTemperature? = nil, hasInputBias: Bool = false, hasOutputBias: Bool = false, hasSinks: Bool = false
        ) -> Attention {
            Attention(
                projections, headCount: headCount, keyValueHeadCount: keyValueHeadCount, headWidth: headWidth, scale: scale,
                window: window, chunk: chunk, rotary: rotary, headNorm: headNorm, headNormScope: headNormScope, clip: clip,
                positionBias: positionBias,
                temperature: temperature, hasInputBias: hasInputBias, hasOutputBias: hasOutputBias, hasSinks: hasSinks)
        }
    }

    /// Sizes of a family whose heads share the width of the model evenly, whether they rotate or not.
    ///
    /// - Parameters:
    ///   - contextLength: where none is stated.
    ///   - keyValueHeadCount: nil for as many as heads.
    func sizesOfEvenHeads(
        contextLength: Int, widthKeys: [String] = ["hidden_size"], headKeys: [String] = ["num_attention_heads"],
        layerKeys: [String] = ["num_hidden_layers"], keyValueHeadCount: Int? = nil
    ) throws(ModelError) -> Sizes {
        let width = try count(anyOf: widthKeys), headCount = try count(anyOf: headKeys), keys = keyValueHeadCount ?? headCount
        guard width % headCount == 0, headCount % keys == 0 else {
            throw ModelError("config.json: \(headCount) heads and \(keys) heads of keys do not share a width of \(width)")
        }
        return Sizes(
            width: width, headCount: headCount, keyValueHeadCount: keys, headWidth: width / headCount,
            layerCount: try count(anyOf: layerKeys, limit: Self.layerLimit),
            contextLength: try optionalCount("max_position_embeddings", limit: Self.limit << 6) ?? contextLength)
    }

    /// What transformers' class of a family takes where config.json leaves a member out.
    struct SizeDefaults {
        /// Nil for as many as heads.
        let keyValueHeadCount: Int?
        let contextLength: Int
        /// Nil for an even share of the width.
        var headWidth: Int?
        /// Whether null is an even share, too, where there is such a default.
        var nullHeadWidthIsShare = false
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
            headWidth: try headWidth(width: width, headCount: headCount, defaults, of: architecture),
            layerCount: layerCount,
            contextLength: try optionalCount("max_position_embeddings", limit: Self.limit << 6) ?? defaults.contextLength)
    }

    private func headWidth(
        width: Int, headCount: Int, _ defaults: SizeDefaults, of architecture: Architecture
    ) throws(ModelError) -> Int {
        let stated = try optionalCount("head_dim"), isNull = object["head_dim"] != nil && stated == nil
        let fallback = isNull && defaults.nullHeadWidthIsShare ? nil : defaults.headWidth
        if let fallback, isNull {
            throw ModelError(
                "config.json: 'head_dim' is null; a \(architecture.classPrefixes[0]) states it, or leaves it out for \(fallback)")
        }
        guard let headWidth = stated ?? fallback ?? (width % headCount == 0 ? width / headCount : nil) else {
            throw ModelError("config.json: hidden_size is \(width), no multiple of num_attention_heads, \(headCount)")
        }
        guard headWidth % 2 == 0 else { throw ModelError("config.json: head_dim is \(headWidth), but elements are rotated in pairs") }
        return headWidth
    }

    /// The width of the window of each layer: of all that slide by `layer_types`, or else of all but each `pattern`th.
    ///
    /// - Parameter pattern: nil where all layers slide.
    func windows(_ sizes: Sizes, pattern: Int?, default fallback: Int?) throws(ModelError) -> [Int?] {
        let window = object["sliding_window"] == nil ? fallback : try slidingWindow(default: 0)
        let slides =
            try slidingLayers(layerCount: sizes.layerCount)
            ?? (1...sizes.layerCount).map { number in pattern.map { !number.isMultiple(of: $0) } ?? true }
        guard slides.contains(true) else { return slides.map { _ in nil } }
        guard let window else { throw ModelError("config.json: 'sliding_window' is null, but \(slides.count { $0 }) layers slide") }
        return slides.map { $0 ? window : nil }
    }

    /// For each layer whether it slides, by `layer_types`; nil where there are none.
    func slidingLayers(layerCount: Int) throws(ModelError) -> [Bool]? {
        try layers(ofType: "sliding_attention", layerCount: layerCount)
    }

    /// For each layer whether it is of this type and not of full attention, by `layer_types`; nil where there are none.
    func layers(ofType other: String, layerCount: Int) throws(ModelError) -> [Bool]? {
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
            case other: result.append(true)
            default: throw ModelError("config.json: layer type \(JSONError.excerpt(type.text(.compact))) is unknown")
            }
        }
        return result
    }

    /// For each layer whether it rotates: by `no_rope_layers`, where 0 says that nothing turns, or else all but every
    /// `no_rope_layer_interval`th.
    ///
    /// - Parameter emptyIsUnstated: whether a list without entries is none.
    func turningLayers(layerCount: Int, emptyIsUnstated: Bool = false) throws(ModelError) -> [Bool] {
        let stated = present("no_rope_layers")
        guard let stated, !(emptyIsUnstated && stated.array?.isEmpty == true) else {
            let interval = try optionalCount("no_rope_layer_interval") ?? 4
            return (1...layerCount).map { !$0.isMultiple(of: interval) }
        }
        let flags = (stated.array ?? []).map(\.integer)
        guard flags.count >= layerCount, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
            throw ModelError(
                "config.json: 'no_rope_layers' has \(flags.count) entries; 0 or 1 is expected for each of \(layerCount) layers")
        }
        return flags.prefix(layerCount).map { $0 == 1 }
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

    /// A positive number that may be left out.
    func factor(_ key: String, default fallback: Double) throws(ModelError) -> Float {
        Float(try positive(present(key), key, default: fallback))
    }

    /// The model around such layers, whose positions are not learned.
    func decoder(
        _ architecture: Architecture, _ sizes: Sizes, spelling: Spelling? = nil, embeddingScale: Float = 1, embeddingNorm: Norm? = nil,
        layers: [LayerDescription], finalNorm: Norm, hasHeadBias: Bool = false, headScale: Float = 1
    ) throws(ModelError) -> ModelDescription {
        ModelDescription(
            architecture: architecture, spelling: spelling, vocabularySize: try count("vocab_size"), contextLength: sizes.contextLength,
            width: sizes.width, embeddingScale: embeddingScale, embeddingNorm: embeddingNorm, hasLearnedPositions: false, layers: layers,
            finalNorm: finalNorm,
            head: .init(
                isTied: try flag("tie_word_embeddings", default: architecture.isTiedByDefault), hasBias: hasHeadBias, scale: headScale),
            endTokenIDs: try tokenIDs("eos_token_id"))
    }
}
