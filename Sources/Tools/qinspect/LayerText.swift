import Architectures
import CommandLineKit

/// What one layer computes, in words.
struct LayerText {
    private let layer: LayerDescription
    private var attention: Attention { layer.attention }
    private var feedForward: FeedForward { layer.feedForward }

    init(_ layer: LayerDescription) { self.layer = layer }

    var rows: [ArchitectureText.Row] {
        [("norms", "\(Self.words(layer.norm)), \(placement)"), ("branches", wiring)] + attentionRows + feedForwardRows
    }

    // MARK: - Norms and branches

    /// `RMS, epsilon 1e-06`.
    static func words(_ norm: Norm) -> String {
        switch norm.kind {
        case .none: return "none"
        case .rms, .layer:
            var parts = [norm.kind == .rms ? "RMS" : "LayerNorm", "epsilon \(ArchitectureText.number(norm.epsilon))"]
            if norm.addsOne { parts.append("weight + 1") }
            if !norm.hasWeight { parts.append("no weight") }
            if norm.hasBias { parts.append("bias") }
            return parts.joined(separator: ", ")
        }
    }

    private var placement: String {
        switch (layer.wiring, layer.normPlacement) {
        case (.normedSum, _): "of sums"
        case (_, .before): "before branches"
        case (_, .around): "around branches"
        case (_, .after): "after branches"
        }
    }

    private var wiring: String {
        let text =
            switch layer.wiring {
            case .sequential, .normedSum: "one after the other"
            case .parallel(let sharesNorm): sharesNorm ? "beside each other, one norm for both" : "beside each other, a norm each"
            case .normedStream: "one after the other, added to what the norms give"
            }
        return text + (layer.branchFactor == 1 ? "" : ", times \(ArchitectureText.number(layer.branchFactor))")
    }

    // MARK: - Attention

    private var attentionRows: [ArchitectureText.Row] {
        var rows: [ArchitectureText.Row] = [("heads", heads), ("rotation", rotation), ("sees", sight), ("scores", scores)]
        let biases =
            (attention.hasInputBias ? ["queries, keys, values"] : []) + (attention.hasOutputBias ? ["output"] : [])
            + (feedForward.hasBias ? ["MLP"] : [])
        if !biases.isEmpty { rows.append(("biases", biases.joined(separator: "; "))) }
        if let norm = attention.headNorm { rows.insert(("norm of heads", "\(Self.words(norm)), \(scope)"), at: 1) }
        if let clip = attention.clip { rows.append(("clipped", "queries, keys and values at \(ArchitectureText.number(clip))")) }
        if let temperature = attention.temperature { rows.append(("queries", words(temperature))) }
        return rows
    }

    private var heads: String {
        let number = ArchitectureText.number(attention.headCount), keys = attention.keyValueHeadCount
        let shared = keys == attention.headCount ? "" : ", \(ArchitectureText.number(keys)) of keys and values"
        let form =
            switch attention.projections {
            case .separate: ""
            case .fused: "; one matrix"
            case .grouped: "; one matrix, group by group"
            }
        return "\(number) of \(ArchitectureText.number(attention.headWidth))\(shared)\(form)"
    }

    private var scope: String {
        switch attention.headNormScope {
        case .head: "each head"
        case .headsApart, .headsInParts: "each head, weights of its own"
        case .allHeads: "all heads together"
        }
    }

    private var sight: String {
        if let window = attention.window { return "the last \(ArchitectureText.number(window)) positions" }
        if let chunk = attention.chunk { return "its chunk of \(ArchitectureText.number(chunk)) positions" }
        return "all positions"
    }

    private var scores: String {
        var parts = ["times \(ArchitectureText.number(attention.scale))"]
        if let cap = attention.scoreCap { parts.append("capped at \(ArchitectureText.number(cap))") }
        if attention.positionBias != nil { parts.append("ALiBi") }
        if attention.hasSinks { parts.append("a sink for each head") }
        return parts.joined(separator: ", ")
    }

    private func words(_ temperature: QueryTemperature) -> String {
        let place = temperature.offset == 0 ? "p" : "(p + \(temperature.offset))"
        return "times 1 + \(Self.number(temperature.weight)) ln(1 + floor(\(place) / \(Self.number(temperature.interval))))"
    }

    private var rotation: String {
        guard let rotary = attention.rotary else { return "none" }
        var parts = ["base \(Self.number(rotary.theta))", rotary.pairing == .halves ? "halves" : "neighbours"]
        if let width = rotary.width, width != attention.headWidth { parts.append("\(width) of \(attention.headWidth) elements") }
        let scaling = RotaryFacts(rotary.scaling)
        if let factor = scaling.factor { parts.append("\(scaling.name) by \(Self.number(factor))") }
        if scaling.factor == nil, scaling.name != "default" { parts.append(scaling.name) }
        if let original = scaling.originalContextLength { parts.append("from \(Self.number(original))") }
        return parts.joined(separator: ", ")
    }

    private static func number(_ value: Double) -> String {
        Int(exactly: value).map(ArchitectureText.number) ?? NumberText.significant(value, digits: 6)
    }

    // MARK: - MLP and experts

    private var feedForwardRows: [ArchitectureText.Row] {
        guard let mixture = feedForward.mixture else {
            return [("MLP", "\(form), \(ArchitectureText.number(feedForward.innerWidth)) inside")]
        }
        var rows: [ArchitectureText.Row] = [
            (
                "experts",
                "\(ArchitectureText.number(mixture.expertCount)), \(ArchitectureText.number(mixture.chosenCount)) for a token, "
                    + "\(ArchitectureText.number(feedForward.innerWidth)) inside"
            ),
            ("expert", form), ("router", router(mixture)),
        ]
        if let shared = mixture.shared {
            rows.append(
                (
                    "shared expert",
                    "\(ArchitectureText.number(shared.innerWidth)) inside" + (shared.isWeighted ? ", weighed by a score of its own" : "")
                ))
        }
        rows.append(("stored", mixture.storage == .separate ? "one by one" : "all of a layer in one tensor"))
        return rows
    }

    private var form: String {
        let name = feedForward.activation.names[0]
        if let clamp = feedForward.clamp {
            return "gated, within \(ArchitectureText.number(clamp.limit)), sigmoid of \(ArchitectureText.number(clamp.alpha)) g"
        }
        switch feedForward.form {
        case .gated: return "gated, \(name)"
        case .fusedGated: return "gated, gate and up in one, \(name)"
        case .plain: return "plain, \(name)"
        }
    }

    private func router(_ mixture: Mixture) -> String {
        let weighting =
            switch mixture.weighting {
            case .softmaxOfAll(let sumsToOne): sumsToOne ? "softmax of all, over the sum of the chosen" : "softmax of all"
            case .softmaxOfChosen: "softmax of the chosen"
            case .sigmoidOfInput: "sigmoid, of what the expert is given"
            }
        return weighting + (mixture.hasRouterBias ? ", with a bias" : "")
    }
}
