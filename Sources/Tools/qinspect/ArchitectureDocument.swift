import Architectures
import JSONText

/// A model's description as JSON: every layer kind with the numbers of its layers.
struct ArchitectureDocument {
    private let model: ModelDescription

    init(_ model: ModelDescription) { self.model = model }

    var document: JSONObject {
        var object = JSONObject([
            "model_type": .string(model.modelType), "class": .string(model.architecture.causalClass),
            "layers": .integer(model.layers.count), "width": .integer(model.width), "vocabulary": .integer(model.vocabularySize),
        ])
        object["context"] = .integer(model.contextLength)
        object["embedding_width"] = .integer(model.embeddingWidth)
        object["embedding_factor"] = Self.number(model.embeddingScale)
        object["learned_positions"] = .bool(model.hasLearnedPositions)
        object["final_norm"] = Self.norm(model.finalNorm)
        object["head_tied"] = .bool(model.head.isTied)
        object["head_bias"] = .bool(model.head.hasBias)
        object["head_factor"] = Self.number(model.head.scale)
        object["head_cap"] = Self.optional(model.head.cap, Self.number)
        object["parameters"] = Self.optional(model.parameterCount) { .integer($0) }
        object["active_parameters"] = Self.optional(model.activeParameterCount) { .integer($0) }
        object["cache_bytes_per_token"] = bytes(positions: 1)
        object["cache_bytes"] = bytes(positions: model.contextLength)
        object["end_tokens"] = .array(model.endTokenIDs.map { .integer($0) })
        object["layer_kinds"] = .array(model.layerKinds.map { Self.layer($0.description, $0.layers) })
        return object
    }

    /// Of keys and values in F16.
    private func bytes(positions: Int) -> JSONValue {
        guard let count = model.keyValueCount(positions: positions), count < .max / 2 else { return .null }
        return .integer(2 * count)
    }

    /// The shortest decimal that is this float, not the one of the double next to it.
    private static func number(_ value: Float) -> JSONValue { .double(Double("\(value)") ?? .nan) }

    private static func norm(_ norm: Norm) -> JSONValue {
        let kinds: [Norm.Kind: String] = [.rms: "rms", .layer: "layer", .none: "none"]
        return .object([
            "kind": .string(kinds[norm.kind] ?? ""), "epsilon": number(norm.epsilon), "adds_one": .bool(norm.addsOne),
            "weight": .bool(norm.hasWeight), "bias": .bool(norm.hasBias),
        ])
    }

    private static func layer(_ layer: LayerDescription, _ numbers: [Int]) -> JSONValue {
        let placement =
            switch layer.normPlacement {
            case .before: "before"
            case .around: "around"
            case .after: "after"
            }
        let wiring =
            switch layer.wiring {
            case .sequential: "sequential"
            case .parallel(let sharesNorm): sharesNorm ? "parallel_one_norm" : "parallel"
            case .normedStream: "normed_stream"
            case .normedSum: "normed_sum"
            }
        return .object([
            "layers": .array(numbers.map { .integer($0) }), "norm": norm(layer.norm), "norm_placement": .string(placement),
            "wiring": .string(wiring), "branch_factor": number(layer.branchFactor), "attention": attention(layer.attention),
            "feed_forward": feedForward(layer.feedForward),
        ])
    }

    private static func attention(_ attention: Attention) -> JSONValue {
        let projections =
            switch attention.projections {
            case .separate: "separate"
            case .fused: "fused"
            case .grouped: "grouped"
            }
        var object = JSONObject([
            "projections": .string(projections), "heads": .integer(attention.headCount),
            "key_value_heads": .integer(attention.keyValueHeadCount), "head_width": .integer(attention.headWidth),
        ])
        object["score_factor"] = number(attention.scale)
        object["score_cap"] = optional(attention.scoreCap, number)
        object["window"] = optional(attention.window) { .integer($0) }
        object["chunk"] = optional(attention.chunk) { .integer($0) }
        object["rotation"] = optional(attention.rotary) { rotation($0, headWidth: attention.headWidth) }
        object["head_norm"] = optional(attention.headNorm, norm)
        object["clip"] = optional(attention.clip, number)
        object["alibi"] = .bool(attention.positionBias != nil)
        object["sinks"] = .bool(attention.hasSinks)
        object["query_temperature"] = optional(attention.temperature, temperature)
        object["input_bias"] = .bool(attention.hasInputBias)
        object["output_bias"] = .bool(attention.hasOutputBias)
        return .object(object)
    }

    /// Null where there is nothing.
    private static func optional<Value>(_ value: Value?, _ json: (Value) -> JSONValue) -> JSONValue {
        guard let value else { return .null }
        return json(value)
    }

    private static func temperature(_ temperature: QueryTemperature) -> JSONValue {
        .object([
            "weight": .double(temperature.weight), "interval": .double(temperature.interval), "offset": .integer(temperature.offset),
        ])
    }

    private static func rotation(_ rotary: RotaryEmbedding, headWidth: Int) -> JSONValue {
        let facts = RotaryFacts(rotary.scaling)
        return .object([
            "base": .double(rotary.theta), "pairs": .string(rotary.pairing == .halves ? "halves" : "neighbours"),
            "width": .integer(rotary.turnedWidth(headWidth: headWidth)), "type": .string(facts.name),
            "factor": optional(facts.factor) { .double($0) },
            "original_context": optional(facts.originalContextLength) { .double($0) }, "magnitude": .double(rotary.magnitude),
        ])
    }

    private static func feedForward(_ part: FeedForward) -> JSONValue {
        let form =
            switch part.form {
            case .gated: "gated"
            case .fusedGated: "gated_fused"
            case .plain: "plain"
            }
        return .object([
            "form": .string(form), "activation": .string(part.activation.names[0]), "inner_width": .integer(part.innerWidth),
            "bias": .bool(part.hasBias),
            "clamp": optional(part.clamp) { .object(["limit": number($0.limit), "alpha": number($0.alpha)]) },
            "experts": optional(part.mixture, experts),
        ])
    }

    private static func experts(_ mixture: Mixture) -> JSONValue {
        let order =
            switch mixture.weighting {
            case .softmaxOfAll(let sumsToOne): sumsToOne ? "softmax_then_top_normalized" : "softmax_then_top"
            case .softmaxOfChosen: "top_then_softmax"
            case .sigmoidOfInput: "sigmoid_of_top_on_input"
            }
        return .object([
            "count": .integer(mixture.expertCount), "chosen": .integer(mixture.chosenCount), "router": .string(order),
            "router_bias": .bool(mixture.hasRouterBias),
            "shared": optional(mixture.shared) { shared in
                .object(["inner_width": .integer(shared.innerWidth), "weighted": .bool(shared.isWeighted)])
            },
            "stacked": .bool(mixture.storage != .separate),
        ])
    }
}
