/// What single families, by `model_type` or class, do otherwise than names alone say, as transformers 5.23 has it.
///
/// `Tests/Fixtures/make_linear_layers.py` asks every model class of transformers which of its weights become 4-bit; a test
/// compares. Paths are ends of a module's path; one that ends in `.*` is a module with everything in it.
enum FourBitExceptions {
    /// Named as to be kept (`_keep_in_fp32_modules`), tied to another layer, or the last layer of the model.
    private static let dense: [String: [String]] = [
        "blip-2": ["qformer.*"], "clvp": ["speech_encoder_model.projection"], "cohere_asr": ["log_softmax.mlp.layer0"],
        "d_fine": ["decoder.class_embed.*", "decoder.bbox_embed.*"], "deepseek_v4": ["compressor.wkv", "compressor.wgate", "attn.wo_a"],
        "deimv2": ["decoder.class_embed.*", "decoder.bbox_embed.*"], "embedding_gemma2": ["language_model.embedding_projection"],
        "flava": ["mmm_text_head.decoder"], "fsmt": ["decoder.output_projection"], "gemma3n_text": ["altup_unembed_projections.2"],
        "git": ["output"], "gradium_phonon_tts": ["duration_delta_proj"], "granite_speech5_ctc": ["encoder.out"],
        "grounding-dino": ["bbox_embed.*"], "inkling2_vision": ["merger.linear_2"],
        "inkling_audio": ["audio.encoder", "audio_tower.encoder"], "LayoutLMv3Model": ["encoder.rel_pos_y_bias"],
        "Llama4VisionModel": ["vision_adapter.mlp.fc2"], "mm-grounding-dino": ["bbox_embed.*"],
        "MobileBertForMaskedLM": ["cls.predictions.dense"], "MuseGlimmerModel": ["vision_projection"], "musicgen_decoder": ["lm_heads.*"],
        "musicgen_melody_decoder": ["lm_heads.*"], "NemotronH_Omni_Reasoning_V3": ["mlp1.3"],
        "NeoMMEForMaskedLM": ["embed_tokens.embedding_projection"],
        "PeAudioModel": ["audio_head.proj", "text_audio_head.proj"], "PocketTTSModel": ["audio_latent_proj"],
        "pp_doclayout_v3": ["enc_bbox_head.*", "enc_score_head"], "Qwen3ASREncoder": ["conv_out"],
        "rt_detr_v2": ["decoder.class_embed.*", "decoder.bbox_embed.*"], "Sam3LiteTextTextModel": ["projection"],
        "splinter": ["splinter_qass.end_classifier"], "Step3p7Model": ["multi_modal_projector"],
        "timesfm2_5": ["output_projection_quantiles.residual_layer"], "ultravbert": ["head.decoder"],
        "voxtral_realtime": ["multi_modal_projector.linear_2"], "VoxtralModel": ["multi_modal_projector.linear_2"],
        "zamba": ["shared_transf.*"],
    ]

    /// Ordinary linear layers under names that elsewhere mean something else.
    private static let fourBit: [String: [String]] = [
        "afmoe": ["router.gate"], "bark": ["semantic.lm_head", "coarse_acoustics.lm_head"], "clvp": ["speech_decoder_model.lm_head"],
        "dots3_note": ["indexer.weights_proj"], "dots3_note_text": ["indexer.weights_proj"], "glm5_next": ["indexer.weights_proj"],
        "glm5_next_text": ["indexer.weights_proj"], "hy_v4": ["indexer.weights_proj"], "inkling2_vision": ["embeddings.patch_embedding"],
        "jetmoe": ["router.layer"], "longt5": ["DenseReluDense.wo"], "luke": ["entity_embeddings.entity_embedding_dense"],
        "muse_glimmer_vision": ["patch_embedder.patch_embedding"], "muse_spark_vision": ["patch_embedder.patch_embedding"],
        "nemotron_h_omni": ["language_model.lm_head"], "NeoMMEModel": ["embed_tokens.embedding_projection"],
        "pix2struct_text_model": ["DenseReluDense.wo"], "qwen2_5_omni": ["thinker.lm_head"],
        "radio": ["patch_generator.embedder", "patch_generator.video_embedder"], "rf_detr": ["decoder.layers.*"],
        "step3p7": ["resblocks.*"], "tipsv2": ["resblocks.*"], "tipsv2_dpt": ["normals_head.normals_head"],
        "tipsv2_text_model": ["resblocks.*"], "xclip": ["text_projection"],
    ]

    /// The layers of these families are of a linear class of their own.
    private static let ownLinearClasses = ["falcon": "h.*", "ibert": "encoder.layer.*"]

    /// Heads of these classes are no output embeddings to transformers.
    private static let plainHeadEnd = "ForCTC"

    /// Some layers are stored fused, or apart, and computed with the other way round: 4-bit blocks cannot be cut or joined.
    private static let rearranged: Set<String> = [
        "gradium_phonon_tts", "gte", "hrm_text", "jina_embeddings_v3", "kimi_k25", "minimax_m3_vl", "mistral_large4", "molmo2",
        "molmo2_text", "nemo_speechlm", "nemotron_h_omni", "nomic_bert", "qianfan_ocr", "radio", "rf_detr", "sapiens2", "step3p7", "tipsv2",
        "tipsv2_dpt", "tipsv2_text_model", "tipsv2_vision_model", "unlimited_ocr",
    ]

    static func choice(for module: String, _ architecture: ModelIdentity) -> FourBitLayers.Choice? {
        for family in families(architecture) {
            if let ends = dense[family], ends.contains(where: { isPart(module, of: $0) }) { return .dense }
            if let ends = fourBit[family], ends.contains(where: { isPart(module, of: $0) }) { return .fourBit }
        }
        if module == "lm_head", architecture.className?.hasSuffix(plainHeadEnd) == true { return .fourBit }
        return nil
    }

    static func hasOwnLinearClass(_ module: String, _ architecture: ModelIdentity) -> Bool {
        architecture.modelTypes.contains { type in ownLinearClasses[type].map { isPart(module, of: $0) } ?? false }
    }

    /// Its class, then every type; what a class does otherwise goes before what its type does.
    private static func families(_ architecture: ModelIdentity) -> [String] {
        (architecture.className.map { [$0] } ?? []) + architecture.modelTypes.sorted()
    }

    static func loadingObstacle(_ architecture: ModelIdentity) -> String? {
        if architecture.modelTypes.contains("llama4") || architecture.modelTypes.contains("llama4_text") {
            return "transformers 5 takes the experts of Llama 4 apart before it loads 4-bit weights, and does not find them in any folder"
        }
        guard let type = architecture.modelTypes.intersection(rearranged).min() else { return nil }
        return "transformers 5 cuts or joins some layers of '\(type)' as it loads them, which it cannot do with 4-bit ones"
    }

    private static func isPart(_ module: String, of pattern: String) -> Bool {
        guard pattern.hasSuffix(".*") else { return module == pattern || module.hasSuffix("." + pattern) }
        let inner = pattern.dropLast()
        return module.hasPrefix(inner) || module.contains("." + inner)
    }
}
