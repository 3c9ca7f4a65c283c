import Adapters
import Architectures
import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore

extension Reader {
    private static let configurationWords = [
        "\"peft_type\":\"LORA\"", "\"r\":2", "\"lora_alpha\":4", "\"use_rslora\":true", "\"use_dora\":true", "\"bias\":\"all\"",
        "\"rank_pattern\":{\"q\":2}", "\"alpha_pattern\":{\".*q\":1}", "\"modules_to_save\":[\"lm_head\"]", "\"lora_bias\":true",
        "\"target_modules\":\".*q\"", "\"trainable_token_indices\":[0,1]", "\"fan_in_fan_out\":true", "\"layers_to_transform\":[0]",
        "base_model.model.q.lora_A.weight", "base_model.model.q.lora_B.weight", ".lora_B.bias", ".lora_embedding_A", ".lora_embedding_B",
        ".lora_magnitude_vector", ".base_layer.weight", ".modules_to_save.weight", ".token_adapter.trainable_tokens_delta",
        "\"target_parameters\":[\"experts.down_proj\"]", ".base_layer.lora_A.weight", ".mlp.experts.lora_B.weight", "lora.config",
        "lora.crc32c", "lora.version", "lora.base_fingerprint", "lora.calibration_sample", "[\"a\"]", "(a|b)*", "[^a-z]{2,3}",
    ]

    private static let configuration = "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"target_modules\":[\"q\"]}"
    private static let factors = """
        {"__metadata__":{"format":"pt"},"base_model.model.q.lora_A.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
        "base_model.model.q.lora_B.weight":{"dtype":"BF16","shape":[4,2],"data_offsets":[24,40]}}
        """

    /// Of all experts of the layer of `mixture`, both parameters.
    private static let ofExperts =
        "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"target_parameters\":[\"experts.gate_up_proj\",\"experts.down_proj\"]}"
    private static let expertFactors: String = {
        var offset = 0
        let tensors = [("base_layer.lora_A", [6, 4]), ("base_layer.lora_B", [10, 6]), ("lora_A", [6, 5]), ("lora_B", [4, 6])].map {
            part, shape in
            defer { offset += 2 * shape[0] * shape[1] }
            return "\"base_model.model.model.layers.0.mlp.experts.\(part).weight\":{\"dtype\":\"BF16\",\"shape\":\(shape),"
                + "\"data_offsets\":[\(offset),\(offset + 2 * shape[0] * shape[1])]}"
        }
        return "{\"__metadata__\":{\"format\":\"pt\"},\(tensors.joined(separator: ","))}"
    }()

    /// A layer with three experts.
    private static let mixture: ModelDescription? = {
        let text = """
            {"model_type":"mixtral","hidden_size":4,"intermediate_size":5,"num_hidden_layers":1,"num_attention_heads":1,"num_key_value_heads":1,\
            "vocab_size":8,"max_position_embeddings":8,"num_local_experts":3,"num_experts_per_tok":2,"rms_norm_eps":1e-5,"rope_theta":1e4}
            """
        return (try? JSONValue(parsing: Array(text.utf8))).flatMap { try? ModelDescription(config: $0) }
    }()

    /// A PEFT folder: adapter_config.json, NUL, header, NUL, data.
    static let peft = Reader(
        "peft", words: headerWords + configurationWords, mutation: .texts(prefixByteCount: 0),
        seeds: { samples in
            let configurations = [Array(configuration.utf8)] + samples.file("samples/adapters/llama-instructions/adapter_config.json")
            return configurations.map { $0 + [0] + Array(factors.utf8) + [0] } + [
                Array(ofExperts.utf8) + [0] + Array(expertFactors.utf8) + [0]
            ]
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            peftFolder.write(input.text(), to: "adapter_config.json")
            peftFolder.write(SafetensorsImage(json: input.text(), data: input.rest()).bytes, to: "adapter_model.safetensors")
            readAdapter(peftFolder.path)
        })

    /// A .lora file: header, NUL, data.
    static let lora = Reader(
        "lora", words: headerWords + configurationWords, mutation: .texts(prefixByteCount: 0),
        seeds: { _ in
            let quoted = JSONValue.string(configuration).text(.compact)
            let metadata = "\"format\":\"pt\",\"lora.version\":\"1\",\"lora.tool\":\"t\",\"lora.config\":\(quoted)"
            // Checksums of 24 and of 16 zeros.
            let checksums = [24, 16].map { CRC32C(of: [UInt8](repeating: 0, count: $0)).description }.joined()
            let header = factors.replacing("\"format\":\"pt\"", with: "\(metadata),\"lora.crc32c\":\"\(checksums)\"")
            return [Array(header.utf8) + [0], Array(factors.replacing("\"format\":\"pt\"", with: metadata).utf8) + [0]]
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            loraFolder.write(SafetensorsImage(json: input.text(), data: input.rest()).bytes, to: "a.lora")
            _ = Adapter.isPresent(at: loraFolder.path("a.lora"))
            readAdapter(loraFolder.path("a.lora"))
        })

    /// A GGUF file.
    static let ggufAdapter = Reader(
        "gguf-adapter",
        words: [
            "general.type", "adapter", "adapter.type", "adapter.lora.alpha", "adapter.alora.invocation_tokens", "llama", "gpt2",
            "blk.0.attn_q.weight", "token_embd.weight", "output.weight", ".lora_a", ".lora_b",
        ],
        seeds: { samples in
            ["llama-patterns/adapter", "llama-embed/adapter", "gpt2-proj/adapter-folded"].flatMap {
                samples.file("Tests/Fixtures/gguf/lora/\($0).gguf")
            }
        },
        read: { bytes in
            ggufAdapterFolder.write(bytes, to: "a.gguf")
            _ = Adapter.isPresent(at: ggufAdapterFolder.path("a.gguf"))
            readAdapter(ggufAdapterFolder.path("a.gguf"))
        })

    private static let ggufAdapterFolder = Folder.temporary()
    private static let peftFolder = Folder.temporary()
    private static let loraFolder = Folder.temporary()

    /// Opens an adapter, binds it to a base that it may fit, and reads every factor.
    private static func readAdapter(_ path: String) {
        do throws(FileError) {
            // As no base says how wide a head is.
            let adapter = try Adapter.open(path).withRowsAsStored
            require(!adapter.modules.isEmpty, "an adapter changes something")
            for module in adapter.modules {
                guard let update = module.update else { continue }
                require(update.scaling.isFinite, "an update has a scale")
                let a = try adapter.values(of: update.a), b = try adapter.values(of: update.b)
                require(
                    a.count == update.rank * update.inputCount && b.count == update.outputCount * update.rank, "factors fit their layer")
            }
            if adapter.modules.contains(where: { if case .experts = $0.change { true } else { false } }) { return try readExperts(adapter) }
            let base = Shape([4, 3]).map { [BaseParameter(name: "q.weight", shape: $0, orientation: .outputsByInputs)] } ?? []
            let binding = try AdapterBinding(adapter, to: base, basePath: "b")
            require(binding.targets.count == adapter.modules.count, "every module finds its parameter")
        } catch {
            tell(error)
        }
    }

    /// Takes factors of all experts apart, binds them and reads each.
    private static func readExperts(_ adapter: Adapter) throws(FileError) {
        guard let mixture else { fatalError("the mixture is described") }
        let base = AdapterBase(mixture, path: "b")
        let bound = try BoundAdapters([WeightedAdapter(adapter, weight: 1)], to: base)
        for module in bound.adapters[0].adapter.modules {
            guard let update = module.update else { continue }
            let placed = bound.adapters[0].adapter
            let a = try placed.values(of: update.a), b = try placed.values(of: update.b)
            require(a.count == update.rank * update.inputCount && b.count == update.outputCount * update.rank, "factors fit their expert")
        }
    }
}
