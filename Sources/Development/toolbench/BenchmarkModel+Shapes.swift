import JSONText

/// Known models by the members of their config.json that decide shapes.
extension BenchmarkModel {
    static let tinyLlama = llama("TinyLlama 1.1B", layers: 22, width: 2048, heads: 32, keyValueHeads: 4, inner: 5632)
    /// The same with a longer context.
    static let longLlama = llama("TinyLlama 32k", layers: 22, width: 2048, heads: 32, keyValueHeads: 4, inner: 5632, context: 32768)
    static let mistral = llama("Mistral 7B", layers: 32, width: 4096, heads: 32, keyValueHeads: 8, inner: 14336)
    static let gpt2Medium = gpt2("GPT-2 355M", layers: 24, width: 1024, heads: 16)
    static let gpt2Small = gpt2("GPT-2 124M", layers: 12, width: 768, heads: 12)
    static let gemmaSmall = gemma3("Gemma 3 270M", layers: 18, width: 640, heads: 4, inner: 2048)
    static let gemma = gemma3("Gemma 3 1B", layers: 26, width: 1152, heads: 4, inner: 6912)

    static let phiMini = decoder(
        "Phi-4-mini 3.8B", "phi3", "Phi3ForCausalLM", layers: 32, width: 3072, heads: 24, keyValueHeads: 8, inner: 8192,
        [
            ("vocab_size", .integer(200_064)), ("tie_word_embeddings", .bool(true)), ("partial_rotary_factor", .double(0.75)),
            ("max_position_embeddings", .integer(4096)), ("rms_norm_eps", .double(1e-5)), ("pad_token_id", .integer(0)),
        ])

    /// Six of its 48 layers, and fewer tokens.
    static let qwenMixture = decoder(
        "Qwen3-30B-A3B/8", "qwen3_moe", "Qwen3MoeForCausalLM", layers: 6, width: 2048, heads: 32, keyValueHeads: 4, inner: 6144,
        [
            ("head_dim", .integer(128)), ("num_experts", .integer(128)), ("num_experts_per_tok", .integer(8)),
            ("moe_intermediate_size", .integer(768)), ("norm_topk_prob", .bool(true)), ("vocab_size", .integer(32000)),
            ("tie_word_embeddings", .bool(false)), ("max_position_embeddings", .integer(4096)), ("rms_norm_eps", .double(1e-6)),
        ])

    private static func decoder(
        _ name: String, _ type: String, _ architecture: String, layers: Int, width: Int, heads: Int, keyValueHeads: Int, inner: Int,
        _ more: [(String, JSONValue)]
    ) -> BenchmarkModel {
        let shared: [(String, JSONValue)] = [
            ("model_type", .string(type)), ("architectures", .array([.string(architecture)])), ("hidden_size", .integer(width)),
            ("intermediate_size", .integer(inner)), ("num_attention_heads", .integer(heads)),
            ("num_key_value_heads", .integer(keyValueHeads)), ("num_hidden_layers", .integer(layers)),
        ]
        return BenchmarkModel(name, shared + more)
    }

    private static func llama(
        _ name: String, layers: Int, width: Int, heads: Int, keyValueHeads: Int, inner: Int, context: Int = 2048
    ) -> BenchmarkModel {
        decoder(
            name, "llama", "LlamaForCausalLM", layers: layers, width: width, heads: heads, keyValueHeads: keyValueHeads, inner: inner,
            [
                ("vocab_size", .integer(32000)), ("max_position_embeddings", .integer(context)), ("rms_norm_eps", .double(1e-5)),
                ("tie_word_embeddings", .bool(false)),
            ])
    }

    /// Five layers of six slide.
    private static func gemma3(_ name: String, layers: Int, width: Int, heads: Int, inner: Int) -> BenchmarkModel {
        decoder(
            name, "gemma3_text", "Gemma3ForCausalLM", layers: layers, width: width, heads: heads, keyValueHeads: 1, inner: inner,
            [
                ("head_dim", .integer(256)), ("query_pre_attn_scalar", .integer(256)), ("vocab_size", .integer(262_144)),
                ("sliding_window", .integer(512)), ("rope_theta", .double(1e6)), ("rope_local_base_freq", .double(1e4)),
                ("hidden_activation", .string("gelu_pytorch_tanh")), ("max_position_embeddings", .integer(32768)),
                ("rms_norm_eps", .double(1e-6)), ("tie_word_embeddings", .bool(true)),
            ])
    }

    private static func gpt2(_ name: String, layers: Int, width: Int, heads: Int) -> BenchmarkModel {
        BenchmarkModel(
            name,
            [
                ("model_type", .string("gpt2")), ("architectures", .array([.string("GPT2LMHeadModel")])), ("n_embd", .integer(width)),
                ("n_head", .integer(heads)), ("n_layer", .integer(layers)), ("n_positions", .integer(1024)),
                ("vocab_size", .integer(50257)),
                ("layer_norm_epsilon", .double(1e-5)),
            ])
    }
}
