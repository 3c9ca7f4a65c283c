/// How conversations and instructions become the text that a model is prompted with or trained on.
///
///     let prompt = PromptTemplate(.chatml).render([ChatMessage(.user, "Hello")], opensResponse: true)
///     let ids = try tokenizer.encode(prompt).ids                  // to generate from
///     let sample = PromptTemplate(.alpaca).render(instruction: "Add.", input: "1 2", response: "3")
///     let encoded = try tokenizer.encode(sample)                   // encoded.responses: what is learned
package struct PromptTemplate: Hashable, Sendable {
    package enum Name: String, Hashable, Sendable, CaseIterable {
        case alpaca
        case chatml
        case mistral
        case llama3
        case none
    }

    /// What a text in this template begins with.
    package enum Beginning: Hashable, Sendable {
        /// What the tokenizer puts in front of every text.
        case tokenizers
        /// The BOS, once, whether or not the tokenizer adds one: the template writes it, and nothing is added to templates.
        case written
        /// The same; nothing where the tokenizer has no BOS.
        case writtenIfAny
        /// Nothing: the template writes no BOS.
        case absent
    }

    package let name: Name
    /// As the tokenizer has it, unless the model's own template says otherwise.
    package var beginning = Beginning.tokenizers
    /// Whether a response is opened behind every conversation, asked for or not.
    var alwaysOpensResponse = false
    /// Whether special tokens in what is said are tokens; else they are text like any other. Only what is prompted with `none`
    /// is by itself: that is a text as it stands, which transformers' tokenizers read so, and may be in a template of its own.
    package var parsesSpecialTokens: Bool
    /// Opens a conversation that has no system message of its own; nil where nothing does.
    package let defaultSystem: String?
    /// The same, where an instruction comes with an input.
    private let systemWithInput: String?

    /// The template as it is known by its name.
    package init(_ name: Name) {
        // What Alpaca's models were trained with.
        let (task, context) = ("Below is an instruction that describes a task", ", paired with an input that provides further context")
        let request = ". Write a response that appropriately completes the request."
        self.name = name
        parsesSpecialTokens = name == .none
        defaultSystem = name == .alpaca ? task + request : nil
        systemWithInput = name == .alpaca ? task + context + request : nil
    }

    /// The template with another opening than its own; nil is none at all.
    package init(_ name: Name, defaultSystem: String?) {
        self.name = name
        parsesSpecialTokens = name == .none
        self.defaultSystem = defaultSystem
        systemWithInput = defaultSystem
    }

    var format: PromptFormat {
        switch name {
        case .alpaca: .alpaca
        case .chatml: .chatML
        case .mistral: .mistral
        case .llama3: .llama3
        case .none: .none
        }
    }

    /// A conversation as text. Responses in it are marked as such, each with its end.
    ///
    /// - Parameter opensResponse: whether the model is to go on with a response.
    package func render(_ messages: [ChatMessage], opensResponse: Bool = false) -> RenderedPrompt {
        var messages = messages
        if let defaultSystem, messages.first?.role != .system { messages.insert(ChatMessage(.system, defaultSystem), at: 0) }
        var writer = PromptWriter(format: format, parsesSpecialTokens: parsesSpecialTokens)
        for message in messages { writer.add(message) }
        if opensResponse || alwaysOpensResponse { writer.openResponse() }
        return writer.finish(beginning)
    }

    /// An instruction, as data sets have them, and what is answered.
    ///
    /// - Parameters:
    ///   - input: what the instruction is about; may be empty.
    ///   - response: nil to have the model write it.
    package func render(instruction: String, input: String = "", response: String?) -> RenderedPrompt {
        var writer = PromptWriter(format: format, parsesSpecialTokens: parsesSpecialTokens)
        if let system = input.isEmpty ? defaultSystem : systemWithInput { writer.add(ChatMessage(.system, system)) }
        writer.add(instruction: instruction, input: input)
        if let response { writer.add(ChatMessage(.assistant, response)) }
        if response == nil || alwaysOpensResponse { writer.openResponse() }
        return writer.finish(beginning)
    }

    /// What ends a response while a model generates: ids, and texts of which no token stands for the whole.
    package func stops(in tokenizer: Tokenizer) -> (ids: [TokenID], texts: [String]) {
        var (ids, texts) = (tokenizer.specialTokens.stops, format.stopTexts)
        if case .token(let end) = format.end {
            if let id = tokenizer.id(of: end) { ids.append(id) } else { texts.append(end) }
        }
        return (Set(ids).sorted(), texts)
    }

    /// Tokens that the template is made of and the tokenizer does not have: it writes them as ordinary text, which only a
    /// model trained that way understands.
    package func missingTokens(in tokenizer: Tokenizer) -> [String] {
        let needed: [String] =
            switch name {
            case .chatml: ["<|im_start|>", "<|im_end|>"]
            case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
            case .alpaca, .mistral, .none: []
            }
        return needed.filter { tokenizer.id(of: $0) == nil }
    }
}
