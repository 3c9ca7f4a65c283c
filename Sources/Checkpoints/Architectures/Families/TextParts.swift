import JSONText

/// Text models inside of models that read images, too: `text_config` says what they compute, and text alone is causal there. The rest
/// of such a model is not run.
enum TextParts {
    static let architectures = [
        Architecture(
            modelType: "gemma3", classPrefixes: ["Gemma3"], causalClass: "Gemma3ForConditionalGeneration",
            spelling: Gemma.latest.asPart,
            isTiedByDefault: true,
            members: members.union(["mm_tokens_per_image", "boi_token_index", "eoi_token_index", "boi_token_id", "eoi_token_id"])
        ) { fields, architecture throws(ModelError) in try describe(fields, architecture, types: ["gemma3_text"]) },
        Architecture(
            modelType: "mistral3", classPrefixes: ["Mistral3"], causalClass: "Mistral3ForConditionalGeneration",
            spelling: Llama.spelling.asPart, isTiedByDefault: true,
            members: members.union([
                "multimodal_projector_bias", "projector_hidden_act", "spatial_merge_size", "vision_feature_layer",
            ])
        ) { fields, architecture throws(ModelError) in try describe(fields, architecture, types: ["mistral", "ministral3"]) },
    ]

    static let members: Set<String> = ["text_config", "vision_config", "image_token_index", "image_token_id"]

    /// - Parameter types: of text models that it may have, the first where none is stated.
    static func describe(
        _ fields: ConfigurationFields, _ architecture: Architecture, types: [String]
    ) throws(ModelError) -> ModelDescription {
        guard var text = fields.present("text_config")?.object else {
            throw ModelError("config.json: a \(architecture.modelType) has 'text_config', which says what its text model is")
        }
        if text["model_type"] == nil { text["model_type"] = .string(types[0]) }
        let type = text["model_type"]?.string ?? ""
        guard types.contains(type), let inner = Architecture.named(type) else {
            throw ModelError(
                "config.json: the text model of this \(architecture.modelType) is a '\(JSONError.excerpt(type))'; "
                    + "these can be run: \(types.joined(separator: ", "))")
        }
        // The larger model has the head.
        text["tie_word_embeddings"] = .bool(try fields.flag("tie_word_embeddings", default: architecture.isTiedByDefault))
        let own = ConfigurationFields(text)
        try own.requireDecoder()
        var description = try inner.description(own).nested(in: architecture)
        description.remarks = ConfigurationMembers.remarks(on: text, inner)
        return description
    }
}

extension Spelling {
    /// As the text part of a larger model.
    var asPart: Spelling { nested(prefix: "model.language_model.", nesting: "language_model.") }
}
