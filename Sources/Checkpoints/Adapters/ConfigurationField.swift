import JSONText

/// A field of PEFT's LoraConfig: its default, and what another value means to us.
struct ConfigurationField: Sendable {
    enum Treatment: Sendable {
        /// Read and followed, see `AdapterConfiguration`.
        case followed
        /// Says which tensors there are, how they were trained or where they come from; the tensors themselves tell the rest.
        case irrelevant
        /// Changes the arithmetic or the base in a way that we do not follow: refused unless off.
        case refused(String)
    }

    let name: String
    let defaultValue: JSONValue
    let treatment: Treatment

    /// Every field that PEFT 0.21.2 writes, in the order in which it writes them.
    static let all: [ConfigurationField] = [
        .init("alora_invocation_tokens", .null, .refused("the adapter would act only after certain tokens (aLoRA)")),
        .init("alpha_pattern", .object([:]), .followed),
        .init("arrow_config", .null, .refused("it routes between several adapters (Arrow)")),
        .init("auto_mapping", .null, .irrelevant),
        .init("base_model_name_or_path", .null, .irrelevant),
        .init("bias", .string("none"), .followed),
        .init("corda_config", .null, .irrelevant),
        .init("ensure_weight_tying", .bool(false), .followed),
        .init("eva_config", .null, .irrelevant),
        .init("exclude_modules", .null, .irrelevant),
        .init("fan_in_fan_out", .bool(false), .followed),
        .init("inference_mode", .bool(false), .irrelevant),
        .init("init_lora_weights", .bool(true), .followed),
        .init("kasa_config", .null, .refused("it cuts singular values off the base's weights (KaSA)")),
        .init("layer_replication", .null, .refused("it stacks layers of the base more than once")),
        .init("layers_pattern", .null, .irrelevant),
        .init("layers_to_transform", .null, .irrelevant),
        .init("loftq_config", .object([:]), .irrelevant),
        .init("lora_alpha", .integer(8), .followed),
        .init("lora_bias", .bool(false), .followed),
        .init("lora_dropout", .double(0), .irrelevant),
        .init("lora_ga_config", .null, .irrelevant),
        .init("megatron_config", .null, .refused("its layers are Megatron's, split over several machines")),
        .init("megatron_core", .string("megatron.core"), .irrelevant),
        .init("modules_to_save", .null, .followed),
        .init("monteclora_config", .null, .refused("it samples its weights (MonteCLoRA)")),
        .init("peft_type", .string("LORA"), .followed),
        .init("peft_version", .null, .irrelevant),
        .init("qalora_group_size", .integer(16), .irrelevant),
        .init("r", .integer(8), .followed),
        .init("rank_pattern", .object([:]), .followed),
        .init("revision", .null, .irrelevant),
        .init("target_modules", .null, .irrelevant),
        .init("target_parameters", .null, .followed),
        .init("task_type", .null, .irrelevant),
        .init("trainable_token_indices", .null, .followed),
        .init("use_bdlora", .null, .refused("its factors are block diagonal (BD-LoRA)")),
        .init("use_dora", .bool(false), .followed),
        .init("use_qalora", .bool(false), .refused("its inputs are pooled in groups (QALoRA)")),
        .init("use_rslora", .bool(false), .followed),
        .init("velora_config", .null, .irrelevant),
    ]

    /// Fields that are only ever in memory, or that older versions wrote and never used.
    static let ignored: Set<String> = ["runtime_config"]

    /// Ways to make the first A and B that leave the base's weights as they are.
    static let harmlessInitializations: Set<String> = ["gaussian", "eva", "orthogonal", "mica", "true", "false"]

    private init(_ name: String, _ defaultValue: JSONValue, _ treatment: Treatment) {
        self.name = name
        self.defaultValue = defaultValue
        self.treatment = treatment
    }

    /// Whether a value switches nothing on: what every field that PEFT may get one day has as its default.
    static func isOff(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false): true
        case .array(let elements): elements.isEmpty
        case .object(let object): object.members.isEmpty
        case .bool, .number, .string: false
        }
    }
}
