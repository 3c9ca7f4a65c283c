import JSONText

/// Which members of config.json are understood, so that nothing in it is overlooked.
///
/// What a family follows besides stands in its row (`Architecture.members`). What is harmless changes nothing that a forward pass computes: names, numbers
/// of training, settings of generation and of tasks. Everything else is said, once; transformers' own classes of these families
/// read none of it either (checked against the sources of 5.23), so the model computes the same there.
enum ConfigurationMembers {
    /// Followed in every family.
    private static let followed: Set<String> = [
        "model_type", "architectures", "vocab_size", "eos_token_id", "tie_word_embeddings", "is_causal", "per_layer_config",
        // Where weights or tokens are read.
        "quantization_config", "compression_config", "quantization", "dtype", "torch_dtype", "bos_token_id", "pad_token_id",
        "unk_token_id", "auto_map",
    ]

    /// Members of any family that change nothing here.
    private static let harmless: Set<String> = [
        // Where it comes from, and who wrote it.
        "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "unsloth_version", "unsloth_fixed", "model_name",
        "transformers.js_config", "library_name", "license", "language", "tags", "tokenizer_class", "tokenizer_name", "processor_class",
        // How a program holds it.
        "use_cache", "cache_implementation", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset",
        "_attn_implementation_internal",
        "_flash_attn_2_enabled", "use_flash_attn", "use_flash_attention", "use_flash_attention_2", "flash_attention",
        "gradient_checkpointing",
        "pretraining_tp", "torchscript", "use_bfloat16", "bf16", "fp16", "fp32", "tf_legacy_loss", "low_cpu_mem_usage", "device_map",
        "output_attentions", "output_hidden_states", "output_router_logits", "return_dict", "return_dict_in_generate",
        "chunk_size_feed_forward", "pruned_heads",
        "keys_to_ignore_at_inference", "seq_length", "model_max_length", "max_sequence_length", "tokenizer_model_max_length",
        // Of training.
        "initializer_range", "attention_dropout", "attn_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "hidden_dropout",
        "resid_dropout", "embedding_dropout", "residual_dropout",
        "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "classifier_dropout", "classifier_dropout_prob",
        "initializer_factor", "z_loss_coefficient", "router_aux_loss_coef", "router_jitter_noise", "neftune_noise_alpha", "freeze", "lora",
        // Of generation: those that hold are in generation_config.json.
        "max_length", "min_length", "max_new_tokens", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
        "temperature",
        "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores", "forced_bos_token_id",
        "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens",
        "begin_suppress_tokens", "decoder_start_token_id", "prefix", "sep_token_id", "cls_token_id", "mask_token_id", "generation_config",
        // Of tasks that are none of a language model's, and of other parts of one.
        "task_specific_params", "problem_type", "id2label", "label2id", "num_labels", "finetuning_task", "is_decoder",
        "is_encoder_decoder", "tie_encoder_decoder", "cross_attention_hidden_size", "summary_activation", "summary_first_dropout",
        "summary_last_dropout",
        "summary_proj_to_labels", "summary_type", "summary_use_proj", "n_special", "predict_special_tokens", "afn",
        "gradient_checkpointing_kwargs",
    ]

    /// One sentence on members that are in neither list, if any are and say anything.
    static func remarks(on object: JSONObject, _ architecture: Architecture) -> [String] {
        let family = architecture.members
        let unknown =
            object.members.filter { member in
                !followed.contains(member.key) && !family.contains(member.key) && !harmless.contains(member.key)
                    && saysAnything(member.value)
            }.map { "'\(JSONError.excerpt($0.key))'" } + unknownRopeMembers(object)
        guard !unknown.isEmpty else { return [] }
        let shown = unknown.prefix(5).joined(separator: ", ") + (unknown.count > 5 ? " and \(unknown.count - 5) more" : "")
        return [
            "config.json: \(shown) \(unknown.count == 1 ? "is" : "are") not followed, as transformers' own \(architecture.modelType) does not either"
        ]
    }

    /// Members of rope parameters that are in none of the known kinds of scaling.
    private static func unknownRopeMembers(_ object: JSONObject) -> [String] {
        ["rope_scaling", "rope_parameters"].flatMap { key -> [String] in
            let members = object[key]?.object?.members ?? []
            return members.filter { member in
                member.value.object == nil && !RotaryReading.members.contains(member.key) && saysAnything(member.value)
            }.map { "'\(JSONError.excerpt($0.key))' of '\(key)'" }
        }
    }

    /// Null, false and empty values ask for nothing.
    private static func saysAnything(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false): false
        case .array(let items): !items.isEmpty
        case .object(let object): !object.members.isEmpty
        case .string(let text): !text.isEmpty
        default: true
        }
    }
}
