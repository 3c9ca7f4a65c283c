import Adapters
import Architectures
import ByteIO
import JSONText

extension Reader {
    /// config.json of a model that is to run: what is described of it can be counted, named and turned, and takes adapters.
    static let modelConfiguration = Reader(
        "model-configuration", words: Architecture.all.map { "\"model_type\":\"\($0.modelType)\"" } + kinds,
        mutation: .texts(prefixByteCount: 0),
        seeds: { samples in configurations(samples) },
        read: { bytes in
            do throws(ModelError) {
                guard let config = try? JSONValue(parsing: bytes) else { return }
                requireConsistency(of: try ModelDescription(config: config))
            } catch {
                tell(error)
            }
        })

    /// Of every family that runs, in both spellings.
    private static func configurations(_ samples: Samples) -> [[UInt8]] {
        var seeds: [[UInt8]] = []
        for path in ["families", "mixtures", "transformer"].map({ "Tests/Fixtures/\($0)" }) {
            let names = (try? FilePath.entries(of: FilePath.join(samples.root, path))) ?? []
            for name in names {
                for file in ["config.json", "config-4.json"] { seeds += samples.file("\(path)/\(name)/\(file)") }
            }
        }
        for folder in Samples.folders { seeds += samples.file("\(folder)/config.json") }
        return seeds
    }

    private static let kinds = [
        "\"default\"", "\"linear\"", "\"dynamic\"", "\"llama3\"", "\"yarn\"", "\"longrope\"", "\"su\"", "\"proportional\"",
        "\"full_attention\"", "\"sliding_attention\"", "\"chunked_attention\"", "\"linear_attention\"", "\"silu\"", "\"gelu\"",
        "\"gelu_pytorch_tanh\"", "\"relu2\"", "\"text_config\":{", "\"rope_parameters\":{", "\"rope_scaling\":{", "\"layer_types\":[",
        "\"original_max_position_embeddings\":16", "\"long_factor\":[", "\"short_factor\":[", "\"no_rope_layers\":[",
        "\"partial_rotary_factor\":0.5", "\"num_local_experts\":4", "\"num_experts_per_tok\":2", "\"head_dim\":8",
    ]

    private static func requireConsistency(of model: ModelDescription) {
        require(!model.layers.isEmpty, "a model has layers")
        let tensors = model.expectedTensors
        require(Set(tensors.map { ByteKey($0.name) }).count == tensors.count, "tensors have names of their own")
        require(tensors.allSatisfy { $0.dimensions.allSatisfy { $0 > 0 } }, "a tensor has elements")
        if let total = model.parameterCount {
            require(model.activeParameterCount.map { $0 <= total } ?? false, "a token takes part with what there is")
        }
        _ = model.keyValueCount(positions: model.contextLength)
        var kinds: Set<LayerDescription> = []
        for (layers, layer) in model.layerKinds {
            require(kinds.insert(layer).inserted && !layers.isEmpty, "kinds of layers differ")
            let attention = layer.attention
            require(attention.headCount % attention.keyValueHeadCount == 0, "heads share keys evenly")
            require(attention.reach.map { $0 > 0 } ?? true, "a position sees itself")
            requireTurns(of: attention, contextLength: model.contextLength)
        }
        // Adapters are bound by these names.
        let base = AdapterBase(model, path: "b")
        require(base.parameters.count >= tensors.count, "every tensor is a parameter")
        require(model.expertParameters.allSatisfy { $0.inputs > 0 && $0.outputs > 0 }, "experts have weights")
    }

    private static func requireTurns(of attention: Attention, contextLength: Int) {
        guard let rotary = attention.rotary else { return }
        let width = rotary.turnedWidth(headWidth: attention.headWidth)
        require(width <= attention.headWidth && width % 2 == 0, "what turns are pairs of a head")
        for length in [1, contextLength] {
            let frequencies = rotary.frequencies(headWidth: attention.headWidth, length: length)
            require(frequencies.count == width / 2, "\(frequencies.count) frequencies for \(width) elements")
            let (cosines, sines) = rotary.turn(to: length - 1, frequencies)
            require((cosines + sines).allSatisfy(\.isFinite), "angles are numbers")
        }
    }
}
