import ByteIO
import TensorCore

/// A LoRA in the form of other programs than PEFT, told by the names of its tensors.
enum ForeignAdapter {
    /// `lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight`, `lora_te_text_model_...alpha`
    case kohya
    /// `unet.down_blocks.0.attentions.0.to_q.lora_A.weight`, `transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight`
    case diffusers

    private static let kohyaPrefixes = [
        "lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_", "lora_transformer_", "lora_prior_",
    ]
    private static let kohyaEnds = [".lora_down.weight", ".lora_up.weight"]
    private static let diffusersPrefixes = [
        "unet.", "text_encoder.", "text_encoder_2.", "transformer.transformer_blocks.", "transformer.single_transformer_blocks.",
        "diffusion_model.",
    ]

    /// Nil where the names are PEFT's, or of nothing that is known here.
    init?(_ tensors: [TensorInfo]) {
        let isKohya = tensors.contains { info in
            Self.kohyaPrefixes.contains { info.name.hasPrefix($0) } || Self.kohyaEnds.contains { info.name.hasSuffix($0) }
        }
        let isDiffusers = tensors.contains { info in
            Self.diffusersPrefixes.contains { info.name.hasPrefix($0) } && info.name.contains("lora")
        }
        guard isKohya || isDiffusers else { return nil }
        self = isKohya ? .kohya : .diffusers
    }

    /// - Parameter tensors: those that told it.
    func refusal(path: String, _ tensors: [TensorInfo]) -> FileError {
        switch self {
        case .kohya:
            // The scripts train language models, too, but nearly all that is published is for the networks of Stable Diffusion.
            let isImage = tensors.contains { info in Self.kohyaPrefixes.contains { info.name.hasPrefix($0) } }
            return FileError(
                path, "is a LoRA in the form of the kohya scripts (lora_down, lora_up, alpha)\(isImage ? ", for a model of images" : "")",
                hint: isImage
                    ? "there is no language model that it could be merged into" : "save it in PEFT's form, with adapter_config.json")
        case .diffusers:
            return FileError(
                path, "is a LoRA in the form of diffusers, for a model of images",
                hint: "there is no language model that it could be merged into")
        }
    }
}
