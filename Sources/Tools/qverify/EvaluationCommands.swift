import CalibrationSupport
import CommandLineKit
import ModelToolSupport
import PromptSupport
import Transformer

/// Options of every command that reads a text with a model.
private let textOptions: [Option] =
    [
        .integer("context", in: 2...1 << 20, unit: "tokens", defaultText: "the model's, at most 2048", help: "length of a window"),
        .integer("stride", in: 1...1 << 20, unit: "tokens", defaultText: "the context", help: "from one window to the next"),
        .integer("max-tokens", in: 2...Int.max, unit: "tokens", defaultText: "all", help: "how much of the text to read"),
    ] + Option.prompts(otherwise: "alpaca", help: "how records are written: \(Option.templateNames)", date: ReadingOptions.date)

private let tokenizer = Option.tokenizer(
    help: "whose tokenizer is used, where an adapter brings its own")

private let texts: [Option] = [
    .path("text", help: "the text, UTF-8; - is standard input").inUsage(),
    .path("data", help: "records instead, as qtrain reads them: their answers are measured"),
]

private let limits: [Option] = [
    .number("max-kl", in: 0...Double.infinity, unit: "nats", help: "largest mean KL divergence"),
    .number("max-ppl-ratio", in: 0...Double.infinity, help: "largest perplexity of the second over that of the first"),
]

let perplexityCommand = Command(
    "perplexity", summary: "measure how well a model predicts a text",
    discussion: """
        The text is encoded whole, with the special tokens that the tokenizer puts around a text, and cut into windows. Every \
        token of a window but its first is predicted from those before it; with a stride below the context, windows overlap and \
        only tokens that no earlier window predicted count. The error behind the ± takes the losses of tokens for independent. Of \
        records every one is read by itself, written by the template as in training, and what would be learned counts.
        """,
    arguments: [Argument("model", help: "any model that qrun runs")],
    options: texts + [adapter("adapter", short: "a", "beside the base"), tokenizer] + textOptions
        + [
            .cache(defaultText: "f32", help: "how keys and values are kept"),
            .precision(default: .exact, help: "rounding of products, as qrun has it"), .threads, .json,
        ],
    example: "qverify perplexity model.qnf --text heldout.txt", run: perplexity)

let compareCommand = Command(
    "compare", summary: "compare what two models make of a text",
    discussion: """
        Both models read the text side by side, as 'perplexity' does. KL divergence is that of B from A, in nats per token: what it \
        costs to take B's probabilities for A's. With --precision B is computed as qrun computes it, but for output head and cache, and what \
        that alone costs is measured as well: the divergence from B in exact precision. A is always exact. Exit status 1 where a limit is \
        exceeded. With --fresh SOURCE, A and B are two candidates for the same model: all three read the text in one pass, and what is told \
        is which of the two is nearer to it, with an error of their difference token by token (or of windows, where those spread more), and \
        whether it is more than chance.
        """,
    arguments: [
        Argument("a", help: "the reference, any model that qrun runs"), Argument("b", help: "the model to judge, of the same vocabulary"),
    ],
    options: texts + [adapter("adapter-a", "on A"), adapter("adapter-b", "on B"), tokenizer] + limits + textOptions
        + [
            .cache("cache-a", defaultText: "f32", help: "how keys and values of A are kept"),
            .cache("cache-b", defaultText: "f32", help: "how keys and values of B are kept"),
            .integer("largest", in: 0...1000, default: 5, help: "places to show where the models differ most"),
            .path("fresh", "SOURCE", help: "judge A and B against the model that both are made of"),
            .precision(default: .exact, help: "rounding of B's products"), .threads, .json,
        ],
    example: "qverify compare model-hf model.qnf --text heldout.txt --max-kl 0.05", run: compare)

private func adapter(_ name: String, short: Character? = nil, _ place: String) -> Option {
    .text(name, short: short, "FILE[@W]", help: "LoRA adapter to measure \(place), with a weight (default: 1)").repeatable()
}

let reportCommand = Command(
    "report", summary: "tell all that a conversion has lost, in one document",
    discussion: """
        The error of the weights layer by layer, as 'roundtrip' measures it, and with a text what that does to the model's \
        predictions, as 'compare' measures it, then with the adapters that are named. With --activations every linear layer is run on a text, and the \
        error of what it puts out is told beside that of its weights. With -o all of it, and what 'qinspect report' shows, \
        becomes one HTML page. Exit status 1 where either would be.
        """,
    arguments: [
        Argument("source", help: "the model before quantization, in any format"),
        Argument("model", help: "the model to judge"),
    ],
    options: texts + [
        .path("output", short: "o", "PAGE", help: "write a page (HTML) instead of text").inUsage(), .force,
        adapter("adapter-a", "on the source"), adapter("adapter-b", "on the model"), tokenizer,
        .path("activations", "FILE", help: "text, records, or 'default', to compare what layers put out on").repeatable(),
        .calibrationTokens(ActivationCheck.defaultTokenCount),
    ] + limits + textOptions + [.threads, .maxMemory, .json],
    example: "qverify report TinyLlama-1.1B tinyllama.qnf --text heldout.txt -o report.html", run: report)
