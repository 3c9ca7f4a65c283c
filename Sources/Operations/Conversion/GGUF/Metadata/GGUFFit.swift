import Architectures
import ByteIO
import Checkpoints
import GGUFFormat
import JSONText
import TensorCore

/// Whether a GGUF file can say what a model computes: it has the numbers of its family and no more, and the rest is the family's habit.
struct GGUFFit {
    private let description: ModelDescription
    private let spelling: GGUFSpelling
    private let path: String

    init(_ description: ModelDescription, _ spelling: GGUFSpelling, path: String) {
        self.description = description
        self.spelling = spelling
        self.path = path
    }

    /// Tensors for which a file of this family has no place.
    func check() throws(FileError) {
        for limit in spelling.limits { try check(limit) }
        for tensor in description.expectedTensors where tensor.part == .bias && !tensor.key.role.isNorm {
            guard spelling.biases.contains(tensor.key.role) else {
                throw refusal(
                    "has the tensor '\(tensor.name)', but a GGUF file of '\(spelling.name)' has no bias of '\(spelling.renamed(description)[tensor.key.role] ?? GGUFSpelling.modules[tensor.key.role] ?? tensor.module)'"
                )
            }
        }
        try checkScaling()
    }

    private func check(_ limit: GGUFSpelling.Limit) throws(FileError) {
        let programs = "programs that run GGUF files of '\(spelling.name)'"
        switch limit {
        case .tiedHead:
            guard !description.head.isTied else { return }
            throw refusal("has a head of its own, but in a GGUF file of '\(spelling.name)' the head is always the embedding")
        case .ownHead:
            guard description.head.isTied else { return }
            throw refusal("has no head of its own, but \(programs) do not take the embedding for it")
        case .evenHeads:
            guard let heads = description.layers.first(where: { $0.attention.queryWidth != description.width })?.attention else { return }
            throw refusal(
                at: "'head_dim'",
                "is \(heads.headWidth), which for \(heads.headCount) heads is \(heads.queryWidth), but \(programs) take the width of the "
                    + "model, \(description.width)")
        case .keyForEachHead:
            let attention = description.layers.first { $0.attention.keyValueHeadCount != $0.attention.headCount }?.attention
            guard let attention else { return }
            throw refusal(
                at: "the number of heads of keys",
                "is \(attention.keyValueHeadCount), but \(programs) take that of heads, \(attention.headCount)")
        case .biases(let roles):
            let biased = Set(description.expectedTensors.lazy.filter { $0.part == .bias }.map { $0.key })
            let missing = description.expectedTensors.first {
                $0.part == .weight && roles.contains($0.key.role) && !biased.contains($0.key)
            }
            guard let missing else { return }
            throw refusal("has no bias beside '\(missing.name)', but \(programs) expect one")
        case .other(let obstacle):
            if let message = obstacle(description) { throw refusal(message) }
        }
    }

    /// What programs that run such a file compute otherwise, a sentence each.
    var remarks: [String] {
        var remarks: [String] = []
        let rotaries = description.layers.compactMap(\.attention.rotary)
        if rotaries.contains(where: { if case .longrope = $0.scaling { true } else { false } }) {
            remarks.append(
                "programs that run GGUF files choose the factors of LongRoPE by the context that they were started with, not by the length of a text"
            )
        }
        if spelling.hasRoundedYarn, rotaries.contains(where: { if case .yarn(let yarn) = $0.scaling { !yarn.truncates } else { false } }) {
            remarks.append("programs that run GGUF files round the bounds between which YaRN mixes, which this model does not")
        }
        if description.layers.contains(where: { $0.feedForward.activation == .gelu }) {
            remarks.append("programs that run GGUF files compute GELU by its approximation by a tanh")
        }
        let (factor, rounded) = (description.unroundedEmbeddingScale, description.embeddingScale)
        if factor != rounded {
            remarks.append("programs that run GGUF files multiply embeddings by \(factor), where weights of this type make it \(rounded)")
        }
        return remarks
    }

    private func checkScaling() throws(FileError) {
        for layer in description.layers {
            guard case .yarn(let yarn)? = layer.attention.rotary?.scaling, !spelling.followsYarnBounds,
                yarn.fastTurns != 32 || yarn.slowTurns != 1
            else { continue }
            throw refusal(
                at: "'beta_fast' and 'beta_slow'",
                "are \(yarn.fastTurns) and \(yarn.slowTurns), but programs that run GGUF files of '\(spelling.name)' take 32 and 1")
        }
        let isLong = description.layers.contains { if case .longrope? = $0.attention.rotary?.scaling { true } else { false } }
        if isLong, !spelling.takesLongFactors {
            throw refusal(
                at: "'rope_scaling'",
                "of type 'longrope' becomes tensors of factors, for which a GGUF file of '\(spelling.name)' has no place")
        }
        let rotary = description.layers.lazy.compactMap(\.attention.rotary).first { if case .llama3 = $0.scaling { true } else { false } }
        if rotary != nil, !spelling.takesFrequencyFactors {
            throw refusal(
                at: "'rope_scaling'",
                "of type 'llama3' becomes a tensor of factors, for which a GGUF file of '\(spelling.name)' has no place")
        }
    }

    /// Reads the keys as those of a file, and compares the model that comes out.
    func checkReading(of entries: [GGUFMetadata.Entry], _ factors: [GGUFFactors]) throws(FileError) {
        let tensors = description.tensorsInGGUF.compactMap { tensor in
            Shape(tensor.dimensions).map { GGUFContents.Tensor(name: tensor.name, shape: $0) }
        }
        let contents = GGUFContents(
            metadata: GGUFMetadata(entries, path: path), tensors: tensors,
            factors: Dictionary(factors.map { ($0.name, $0.values) }) { first, _ in first })
        let read = try ModelDescription(ofGGUF: contents)
        for property in Self.properties {
            let (own, other) = (property.value(description), property.value(read))
            guard own != other else { continue }
            throw refusal(at: property.what, "is \(own), but read from a GGUF file of '\(spelling.name)' it would be \(other)")
        }
        for (index, (own, other)) in zip(description.layers, read.layers).enumerated() {
            for property in Self.layerProperties {
                let (own, other) = (property.value(own), property.value(other))
                guard own != other else { continue }
                throw refusal(
                    at: property.what,
                    "is \(own) in layer \(index), but read from a GGUF file of '\(spelling.name)' it would be \(other)")
            }
            try checkRotation(own.attention, other.attention, layer: index)
        }
    }

    private func refusal(at place: String? = nil, _ message: String) -> FileError {
        FileError(path, at: place, message, hint: "a .qnf or a Hugging Face folder keeps it")
    }

    private struct Property<Subject: Sendable>: Sendable {
        /// Members of config.json that say it.
        let what: String
        let value: @Sendable (Subject) -> String
    }

    private static func shown(_ value: (some CustomStringConvertible)?) -> String { value.map { "\($0)" } ?? "none" }

    private static let properties: [Property<ModelDescription>] = [
        .init(what: "the number of layers") { "\($0.layers.count)" },
        .init(what: "'vocab_size'") { "\($0.vocabularySize)" },
        .init(what: "the length of the context") { "\($0.contextLength)" },
        .init(what: "the width of the model") { "\($0.width)" },
        // What is rounded to the type of weights here belongs to the run, not to the file.
        .init(what: "the factor of embeddings") { "\($0.unroundedEmbeddingScale)" },
        .init(what: "whether positions are learned") { "\($0.hasLearnedPositions)" },
        .init(what: "the norm of embeddings") { shown($0.embeddingNorm.map(text)) },
        .init(what: "the first learned position") { "\($0.positionOffset)" },
        .init(what: "the factor of logits") { "\($0.head.scale)" },
        .init(what: "whether the head has a bias") { "\($0.head.hasBias)" },
        .init(what: "'final_logit_softcapping'") { shown($0.head.cap) },
        .init(what: "'tie_word_embeddings'") { "\($0.head.isTied)" },
        .init(what: "the last norm") { text($0.finalNorm) },
    ]

    private static let layerProperties: [Property<LayerDescription>] = [
        .init(what: "the norm") { text($0.norm) },
        .init(what: "where norms stand") { "\($0.normPlacement)" },
        .init(what: "how branches are tied to the residual stream") { "\($0.wiring)" },
        .init(what: "the factor of branches") { "\($0.branchFactor)" },
        .init(what: "how queries, keys and values are stored") { "\($0.attention.projections)" },
        .init(what: "the number of heads") { "\($0.attention.headCount)" },
        .init(what: "the number of heads of keys") { "\($0.attention.keyValueHeadCount)" },
        .init(what: "'head_dim'") { "\($0.attention.headWidth)" },
        .init(what: "the factor of scores ('query_pre_attn_scalar', 'scale_attn_weights', 'scale_attn_by_inverse_layer_idx')") {
            "\($0.attention.scale)"
        },
        .init(what: "'attn_logit_softcapping'") { shown($0.attention.scoreCap) },
        .init(what: "the window ('sliding_window', 'layer_types')") { shown($0.attention.window) },
        .init(what: "the chunks ('attention_chunk_size')") { shown($0.attention.chunk) },
        .init(what: "whether heads have sinks") { "\($0.attention.hasSinks)" },
        .init(what: "the norm of heads") { layer in
            shown(layer.attention.headNorm.map { "\(text($0)), \(layer.attention.headNormScope)" })
        },
        .init(what: "'clip_qkv'") { shown($0.attention.clip) },
        .init(what: "the bias of scores ('alibi')") { shown($0.attention.positionBias.map { "\($0.slopes.count) slopes" }) },
        .init(what: "the temperature of queries") { shown($0.attention.temperature.map { "\($0.weight) for \($0.interval)" }) },
        .init(what: "the form of the MLP") { "\($0.feedForward.form)" },
        .init(what: "the activation ('hidden_act')") { $0.feedForward.activation.names[0] },
        .init(what: "the bounds of gates ('swiglu_limit', 'swiglu_alpha')") {
            shown($0.feedForward.clamp.map { "\($0.limit) and \($0.alpha)" })
        },
        .init(what: "the width inside of the MLP") { "\($0.feedForward.innerWidth)" },
        .init(what: "the experts") { shown($0.feedForward.mixture.map(text)) },
    ]

    /// Settings of rotations are compared by what they do: a file has their numbers in single precision, and of Llama 3.1's only what
    /// comes out of them.
    private func checkRotation(_ own: Attention, _ other: Attention, layer: Int) throws(FileError) {
        guard isSame(own, other, length: 1), isSame(own, other, length: 1 << 30) else {
            throw refusal(
                at: "'rope_theta' and 'rope_scaling'",
                "are \(Self.text(own.rotary)) in layer \(layer), but read from a GGUF file of '\(spelling.name)' they would be "
                    + Self.text(other.rotary))
        }
    }

    /// Whether two attentions rotate alike in passes over so many positions.
    private func isSame(_ own: Attention, _ other: Attention, length: Int) -> Bool {
        let frequencies = own.rotary?.frequencies(headWidth: own.headWidth, length: length) ?? []
        let others = other.rotary?.frequencies(headWidth: other.headWidth, length: length) ?? []
        return frequencies.count == others.count && own.rotary?.pairing == other.rotary?.pairing
            && abs((own.rotary?.magnitude ?? 1) / (other.rotary?.magnitude ?? 1) - 1) < 1e-5
            && zip(frequencies, others).allSatisfy { $0 == $1 || abs($0 / $1 - 1) < 1e-5 }
    }

    private static func text(_ norm: Norm) -> String {
        "\(norm.kind == .rms ? "RMS" : "layer") norm with epsilon \(norm.epsilon)\(norm.addsOne ? ", weights from 0 on" : "")"
            + (norm.hasWeight ? "" : ", without weights") + (norm.kind == .layer && !norm.hasBias ? ", without bias" : "")
    }

    private static func text(_ mixture: Mixture) -> String {
        let weighting =
            switch mixture.weighting {
            case .softmaxOfAll(let sumsToOne): sumsToOne ? "softmax, then the largest, divided by their sum" : "softmax, then the largest"
            case .softmaxOfChosen: "the largest, then softmax"
            case .sigmoidOfInput: "sigmoid of the largest"
            }
        let shared = mixture.shared.map { ", one for all of \($0.innerWidth)\($0.isWeighted ? " with a weight" : "")" } ?? ""
        return "\(mixture.chosenCount) of \(mixture.expertCount) (\(weighting))\(shared)"
    }

    private static func text(_ rotary: RotaryEmbedding?) -> String {
        guard let rotary else { return "none" }
        let scaling =
            switch rotary.scaling {
            case .none: "unscaled"
            case .linear(let factor): "scaled by \(factor)"
            case .dynamic(let factor, let length): "with a base that grows by \(factor) beyond \(length)"
            case .llama3(let factor, _, _, let original): "scaled by \(factor) beyond \(original)"
            case .yarn(let settings): "scaled by \(settings.factor) beyond \(settings.originalContextLength) (YaRN)"
            case .longrope(let settings): "scaled beyond \(settings.originalContextLength) (LongRoPE)"
            case .proportional(let share, let factor): "scaled by \(factor) in \(share) of a head"
            }
        return "\(rotary.theta) \(scaling)" + (rotary.width.map { ", \($0) elements of a head" } ?? "")
            + (rotary.magnitude == 1 ? "" : ", cosines and sines times \(Float(rotary.magnitude))")
    }
}
