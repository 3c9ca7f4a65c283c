/// How one template writes the turns of a conversation: text around what people and the model say.
struct PromptFormat: Hashable, Sendable {
    /// What stands around a turn.
    struct Turn: Hashable, Sendable {
        let before: String
        let after: String
    }

    /// What ends a response; the model learns to write it.
    enum End: Hashable, Sendable {
        /// The tokenizer's own end of text, such as `</s>`.
        case endOfText
        case token(String)
    }

    /// Nil where a system message goes in front of the first user's, with an empty line between.
    let system: Turn?
    let user: Turn
    /// Around the input that an instruction may come with; nil where it follows the instruction after an empty line.
    var input: Turn?
    /// Opens a response: a prompt for the model ends with it.
    let opening: String
    /// Written by the model before what it says.
    var responsePrefix = ""
    let end: End
    /// After the end of a response; not the model's.
    var afterEnd = ""
    /// White space around what is said is left out.
    var trims = false
    /// Texts at which a model has begun to speak for the user.
    var stopTexts: [String] = []

    /// As Alpaca's data set writes them.
    static let alpaca = PromptFormat(
        system: Turn(before: "", after: "\n\n"), user: Turn(before: "### Instruction:\n", after: "\n\n"),
        input: Turn(before: "### Input:\n", after: "\n\n"), opening: "### Response:\n", end: .endOfText, stopTexts: ["### Instruction:"])

    /// As Qwen and many others write them.
    static let chatML = PromptFormat(
        system: Turn(before: "<|im_start|>system\n", after: "<|im_end|>\n"),
        user: Turn(before: "<|im_start|>user\n", after: "<|im_end|>\n"),
        opening: "<|im_start|>assistant\n", end: .token("<|im_end|>"), afterEnd: "\n")

    static let mistral = PromptFormat(
        system: nil, user: Turn(before: "[INST] ", after: " [/INST]"), opening: "", responsePrefix: " ", end: .endOfText)

    static let llama3 = PromptFormat(
        system: Turn(before: "<|start_header_id|>system<|end_header_id|>\n\n", after: "<|eot_id|>"),
        user: Turn(before: "<|start_header_id|>user<|end_header_id|>\n\n", after: "<|eot_id|>"),
        opening: "<|start_header_id|>assistant<|end_header_id|>\n\n", end: .token("<|eot_id|>"), trims: true)

    /// What is said, and nothing else.
    static let none = PromptFormat(
        system: Turn(before: "", after: ""), user: Turn(before: "", after: ""), opening: "", end: .endOfText)
}
