import Architectures
import JSONText

/// The tensors that every model of a family has, whatever its configuration says.
///
/// Biases and other parts that a configuration can leave out are not among them: where some layers have them, the other
/// layers miss them (`MissingTensors`).
struct FamilyTensors {
    /// The part of a name under which layers are numbered: `layers` in `model.layers.0`.
    let container: String
    /// Beside the layers: `embed_tokens.weight`.
    let outside: [String]
    /// The input embedding, which an untied model stores besides the head.
    let embedding: String
    /// The head of an untied model, at the top.
    let head: [String]
    /// Of each layer; empty where layers differ.
    let layer: [String]
    /// Where config.json does not say whether the head is tied to the embedding.
    let isTiedByDefault: Bool

    private init(
        container: String = "layers", embedding: String = "embed_tokens.weight", outside: [String] = ["norm.weight"],
        head: [String] = ["lm_head.weight"], layer: [String] = [], tied: Bool = false
    ) {
        (self.container, self.embedding, self.outside, self.head) = (container, embedding, outside, head)
        (self.layer, isTiedByDefault) = (layer, tied)
    }

    /// The family of a configuration, by its `model_type`.
    init?(_ config: JSONValue) {
        guard let modelType = config["model_type"]?.string else { return nil }
        self.init(modelType: modelType, config)
    }

    init?(modelType: String, _ config: JSONValue?) {
        if let architecture = Architecture.named(modelType) {
            self.init(architecture)
        } else if let family = Self.recent(modelType) ?? Self.older(modelType, config) {
            self = family
        } else {
            return nil
        }
    }

    /// Of one that can be run: all that it has a name for.
    private init(_ architecture: Architecture) {
        let spelling = architecture.spelling
        func tensors(_ roles: [TensorRole]) -> [String] {
            roles.filter(spelling.has).flatMap { role in
                let isBiased = architecture.hasAllBiases && role != .positions
                return isBiased ? Self.norm(spelling.name(of: role)) : [spelling.name(of: role) + ".weight"]
            }
        }
        self.init(
            container: spelling.container, embedding: spelling.name(of: .embedding) + ".weight",
            outside: tensors([.positions, .finalNorm]), head: [spelling.name(of: .head) + ".weight"],
            layer: tensors(TensorRole.allCases.filter(\.isInLayer)), tied: architecture.isTiedByDefault)
    }

    private static func recent(_ modelType: String) -> FamilyTensors? {
        switch modelType {
        case "ministral", "ministral3", "seed_oss", "granite": FamilyTensors(layer: llamaLayer)
        case "smollm3": FamilyTensors(layer: llamaLayer, tied: true)
        case "mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "gpt_oss", "llama4_text":
            FamilyTensors(layer: attention + twoNorms)
        // Some of its layers have no attention.
        case "granitemoehybrid": FamilyTensors(layer: twoNorms)
        case "arcee": FamilyTensors(layer: attention + twoNorms + ["mlp.up_proj.weight", "mlp.down_proj.weight"])
        case "nemotron":
            FamilyTensors(
                outside: norm("norm"), layer: attention + ["mlp.up_proj.weight", "mlp.down_proj.weight"] + norm("input_layernorm"))
        case "olmo": FamilyTensors(outside: [], layer: attention + gatedMLP)
        case "olmo2", "olmo3", "exaone4":
            FamilyTensors(
                layer: attention + gatedMLP + headNorms + ["post_attention_layernorm.weight", "post_feedforward_layernorm.weight"])
        case "cohere", "cohere2": FamilyTensors(layer: attention + gatedMLP + ["input_layernorm.weight"], tied: true)
        case "glm", "glm4": FamilyTensors(layer: attention + twoNorms + ["mlp.gate_up_proj.weight", "mlp.down_proj.weight"])
        case "phi3":
            FamilyTensors(
                layer: twoNorms + ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"].map { $0 + ".weight" })
        case "stablelm": FamilyTensors(outside: norm("norm"), layer: attention + gatedMLP + norm("input_layernorm"))
        case "starcoder2":
            FamilyTensors(
                outside: norm("norm"),
                layer: attention + norm("input_layernorm") + norm("post_attention_layernorm") + ["mlp.c_fc.weight", "mlp.c_proj.weight"],
                tied: true)
        default: nil
        }
    }

    /// Families with layers and names of their own.
    private static func older(_ modelType: String, _ config: JSONValue?) -> FamilyTensors? {
        switch modelType {
        case "gptj":
            FamilyTensors(
                container: "h", embedding: "wte.weight", outside: norm("ln_f"), head: norm("lm_head"),
                layer: norm("ln_1") + ["attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.out_proj"].map { $0 + ".weight" }
                    + ["mlp.fc_in", "mlp.fc_out"].flatMap(norm))
        case "gpt_neox":
            FamilyTensors(
                embedding: "embed_in.weight", outside: norm("final_layer_norm"), head: ["embed_out.weight"],
                layer: ["input_layernorm", "post_attention_layernorm", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"].flatMap(norm)
                    + ["attention.query_key_value.weight", "attention.dense.weight"])
        case "phi":
            FamilyTensors(
                outside: norm("final_layernorm"), head: norm("lm_head"),
                layer: [
                    "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.dense", "mlp.fc1", "mlp.fc2",
                ]
                .flatMap(norm))
        case "opt":
            FamilyTensors(
                outside: ["embed_positions.weight"] + (hasFinalNorm(config) ? norm("final_layer_norm") : []),
                layer: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2"].map {
                    $0 + ".weight"
                },
                tied: true)
        case "bloom":
            FamilyTensors(
                container: "h", embedding: "word_embeddings.weight", outside: norm("word_embeddings_layernorm") + norm("ln_f"),
                layer: [
                    "input_layernorm", "post_attention_layernorm", "self_attention.query_key_value", "self_attention.dense",
                    "mlp.dense_h_to_4h", "mlp.dense_4h_to_h",
                ].flatMap(norm), tied: true)
        case "falcon":
            FamilyTensors(
                container: "h", embedding: "word_embeddings.weight", outside: norm("ln_f"),
                layer: ["self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"].map {
                    $0 + ".weight"
                }, tied: true)
        default: nil
        }
    }

    /// OPT's last norm, which the models that normalize after each branch do without.
    private static func hasFinalNorm(_ config: JSONValue?) -> Bool {
        config?["do_layer_norm_before"]?.bool != false && config?["_remove_final_layer_norm"]?.bool != true
    }

    private static let attention = ["q", "k", "v", "o"].map { "self_attn.\($0)_proj.weight" }
    private static let gatedMLP = ["gate", "up", "down"].map { "mlp.\($0)_proj.weight" }
    private static let twoNorms = ["input_layernorm.weight", "post_attention_layernorm.weight"]
    private static let headNorms = ["self_attn.q_norm.weight", "self_attn.k_norm.weight"]
    private static let llamaLayer = attention + gatedMLP + twoNorms

    /// Weight and bias.
    private static func norm(_ module: String) -> [String] { [module + ".weight", module + ".bias"] }
}
