/// Templates that are known by a name, for models that have none of their own.
///
/// They are templates like any other, but that the tokenizer puts in front what it puts in front of every text: no BOS is theirs.
package enum BuiltinTemplate: String, Hashable, Sendable, CaseIterable {
    /// As Alpaca's data set writes instructions.
    case alpaca
    /// As Qwen and many others write conversations.
    case chatml
    case mistral
    case llama3
    /// What is said, and nothing else.
    case none

    var source: String {
        switch self {
        case .alpaca:
            Self.turns(
                Self.alpacaOpening, "'### Response:\n'",
                """
                {%- if message.role == 'system' -%} {{- message.content + '\n\n' -}}
                {%- elif message.role == 'user' -%}
                    {{- '### Instruction:\n' + message.content + '\n\n' -}}
                    {%- if message.input -%} {{- '### Input:\n' + message.input + '\n\n' -}} {%- endif -%}
                {%- else -%} {{- '### Response:\n' + message.content + end() -}} {%- endif -%}
                """)
        case .chatml:
            Self.turns(
                "", "'<|im_start|>assistant\n'",
                """
                {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
                """)
        case .mistral:
            Self.turns(
                "{%- set opening = namespace(text='') -%}", "''",
                """
                {%- if message.role == 'system' -%} {%- set opening.text = message.content + '\n\n' -%}
                {%- elif message.role == 'user' -%}
                    {{- '[INST] ' + opening.text + message.content + ' [/INST]' -}} {%- set opening.text = '' -%}
                {%- else -%} {{- ' ' + message.content + end() -}} {%- endif -%}
                """)
        case .llama3:
            Self.turns(
                "", "'<|start_header_id|>assistant<|end_header_id|>\n\n'",
                """
                {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' -}}
                """)
        case .none: Self.turns("", "''", "{{- message.content + (end() if message.role == 'assistant' else '') -}}")
        }
    }

    /// Texts at which a model has begun to speak for the user.
    package var stopTexts: [String] { self == .alpaca ? ["### Instruction:"] : [] }

    /// Tokens that the template is made of.
    package var tokens: [String] {
        switch self {
        case .chatml: ["<|im_start|>", "<|im_end|>"]
        case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
        case .alpaca, .mistral, .none: []
        }
    }

    /// Ends a response, where it is not the tokenizer's own end of text.
    var end: String? {
        switch self {
        case .chatml: "<|im_end|>"
        case .llama3: "<|eot_id|>"
        case .alpaca, .mistral, .none: nil
        }
    }

    /// What Alpaca's models were trained with.
    private static let alpacaOpening = """
        {%- if messages and messages[0].role != 'system' -%}
            {{- 'Below is an instruction that describes a task' -}}
            {{- ', paired with an input that provides further context' if messages[0].input -}}
            {{- '. Write a response that appropriately completes the request.\\n\\n' -}}
        {%- endif -%}
        """

    private static func turns(_ before: String, _ opening: String, _ turn: String) -> String {
        """
        {%- macro end() -%}
            {%- if not eos_token -%}
                {{- raise_exception('the template ends responses with the end of text, for which the tokenizer has no token') -}}
            {%- endif -%}
            {{- eos_token -}}
        {%- endmacro -%}
        \(before)
        {%- for message in messages -%}
            {%- if message.role not in ['system', 'user', 'assistant'] or message.tool_calls -%}
                {{- raise_exception('the template has no place for turns and calls of tools') -}}
            {%- endif -%}
            \(turn)
        {%- endfor -%}
        {%- if add_generation_prompt -%} {{- \(opening) -}} {%- endif -%}
        """
    }
}
