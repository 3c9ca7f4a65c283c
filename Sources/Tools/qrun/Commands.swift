package import CommandLineKit
import ModelToolSupport
import PromptSupport
import ToolSupport

/// The tool: text from a model.
package let qrun = Tool("qrun", version: toolVersion, command: runCommand, others: [chatCommand])

/// Of both commands: which model, and how it is run.
private let modelOptions: [Option] =
    [
        .text("adapter", short: "a", "FILE[@W]", help: "LoRA adapter to add beside the base, with a weight (default: 1)").repeatable(),
        .tokenizer(
            help: "whose tokenizer and chat template are used, where an adapter brings its own"),
    ]
    + Option.prompts(otherwise: "none", help: "how prompts are written: \(Option.templateNames)", date: "today") + [
        .flag("no-thinking", help: "turn off what the template calls thinking, where it has a switch for it"),
        .path("tools", "FILE", help: "functions that the model may call (JSON); none is ever called"),
        .path("documents", "FILE", help: "texts to answer from, for templates with a place for them (JSON)"),
        .text("system", "TEXT", defaultText: "the template's own", help: "message that opens the conversation"),
        .integer(
            "context", in: 1...1_000_000, unit: "tokens", defaultText: "the model's",
            help: "room for all tokens; at most 4096 in a chat unless given"),
        .integer("max-tokens", in: 1...1_000_000, unit: "tokens", default: 256, help: "length of an answer at most"),
        .number("temperature", in: 0...100, default: 0.8, help: "0 takes the most probable token each time"),
        .integer("top-k", in: 0...1_000_000, default: 40, help: "choose among the N most probable tokens; 0 for all"),
        .number("top-p", "P", in: 0...1, default: 0.95, help: "choose among tokens that reach P together; 1 for all"),
        .number("min-p", "P", in: 0...1, default: 0.05, help: "leave out tokens below P times the best; 0 for none"),
        .number("repeat-penalty", in: 0.01...100, default: 1, help: "divide logits of tokens that occurred"),
        .integer("seed", default: 0, help: "same seed, same text"),
        .text("stop", "TEXT", help: "end the answer before TEXT").repeatable(),
        .precision(default: RunOptions.defaultPrecision, help: "rounding of products: none, of 13 bits, or of 8, which is the fastest"),
        .flag("exact", help: "compute in float32 throughout, more slowly"),
        .cache(defaultText: "f16; f32 with --exact", help: "how keys and values are kept: q8 halves what f16 takes"),
        .choice("head", ["8bit", "exact"], default: "8bit", help: "output head: in 8 bits made at load, or as stored"),
        .flag("lookup", help: "guess what was written before where the same tokens stood; the same text, sooner where it repeats itself"),
        .path("draft", "MODEL", help: "small model with the same tokenizer to guess with; the same text, sooner where guesses are right"),
        .flag("verify", help: "compare the weights with their checksums first"),
        .threads,
    ]

private let runCommand = Command(
    summary: "generate text from a model",
    discussion: """
        The prompt comes from --prompt, or from standard input. Text is written as it is generated; the same options give the \
        same text for any number of threads. Weights are used where they lie in the file, adapters are computed beside them. The \
        prompt is written as the chat template of the model says, or another that is named.
        """,
    arguments: [Argument("model", help: modelHelp)],
    options: [
        .text("prompt", short: "p", "TEXT", defaultText: "standard input", help: "text to answer or to continue").inUsage(),
        .text("prompt-ids", "N,N,...", help: "token ids to continue, instead of text; @FILE reads them from a file"),
        .flag("print-prompt", help: "write the prompt as the model is given it, and stop"),
        .path("dump-logits", help: "write logits [T, V] of the prompt as .safetensors, and stop"),
        .flag("estimate", help: "write what a run with this context would take of memory, and stop"),
    ] + modelOptions + [.force, .json],
    example: "qrun tinyllama.qnf --prompt 'Why is the sky blue?' --adapter alpaca.lora", run: run)

private let chatCommand = Command(
    "chat", summary: "talk to a model",
    discussion: """
        Ctrl-C stops an answer; Ctrl-D or /exit ends. In a conversation:

          /adapter NAME   switch to one of the adapters of --adapter, at once
          /adapter none   use the base alone
          /reset          begin another conversation
          /help           list these commands
        """,
    arguments: [Argument("model", help: modelHelp)], options: modelOptions,
    example: "qrun chat tinyllama.qnf --adapter alpaca.lora --adapter poet.lora", run: chat)
