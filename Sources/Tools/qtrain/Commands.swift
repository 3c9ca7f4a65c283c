package import CommandLineKit
import ModelToolSupport
import PromptSupport
import Records
import ToolSupport
import Training

/// The tool: fine-tuning of models on their own machine.
package let qtrain = Tool("qtrain", version: toolVersion, command: trainCommand, others: [evaluateCommand])

private let dataHelp = "records to learn from: Alpaca JSON or JSONL, chat or ShareGPT JSONL, prompt/completion JSONL, or text; also gzip"

private let dataOptions: [Option] =
    [
        .path("data", "FILE", help: dataHelp).required()
    ]
    + Option.prompts(otherwise: "alpaca", help: "how records become text: \(Option.templateNames)", date: DataOptions.date) + [
        .choice(
            "train-on", SampleEncoder.Lesson.allCases.map(\.rawValue), default: "completions", help: "what of a record is learned"),
        .flag("swap-instruction-and-response", help: "learn to write the instruction for a given answer"),
        .text("split", "A,B,C", default: "0.85,0.10,0.05", help: "shares of the records for training, testing and validation"),
        .integer(
            "max-length", in: 2...1 << 20, unit: "tokens", defaultText: "the model's context, at most 1024",
            help: "longest sample; longer ones are cut"),
        .integer("seed", default: 1, help: "decides split, order, first factors and dropout"),
    ]

private let loraOptions: [Option] = [
    .integer("rank", in: 1...4096, default: 16, help: "rank of the factors"),
    .number("alpha", in: 0...1e6, default: 32, help: "updates are scaled by alpha / rank"),
    .number("dropout", in: 0...0.99, default: 0.05, help: "share of a layer's input that its update does not see; 0 with experts"),
    .text(
        "targets", "LIST", default: "all-linear",
        help:
            "layers to tune: ends of names with commas between (q_proj,v_proj), or a regular expression; experts of a mixture where it has "
            + "'experts'"),
    .flag("rslora", help: "scale by alpha / sqrt(rank)"),
    .path("init-from", "ADAPTER", help: "begin with the factors of this adapter, or of a checkpoint"),
    .flag("full", help: "train all weights of a dense model in f32; the output is a Hugging Face folder"),
]

private let optimizerOptions: [Option] = [
    .integer("batch-size", in: 1...4096, unit: "samples", default: 4, help: "samples computed together"),
    .choice("optimizer", OptimizerSettings.Kind.allCases.map(\.rawValue), default: "adamw", help: "how parameters follow gradients"),
    .number("lr", in: 0...100, defaultText: "2e-4, with --full 5e-5", help: "highest learning rate"),
    .choice("schedule", LearningRate.Schedule.allCases.map(\.rawValue), default: "cosine", help: "learning rate after the warm-up"),
    .integer("warmup", unit: "steps", default: 0, help: "steps in which the learning rate rises"),
    .number("weight-decay", in: 0...10, default: 0, help: "how fast parameters shrink, as a share of the learning rate"),
    .number("clip", in: 0...1e9, default: 1, help: "largest norm of the gradient; 0 for any"),
    .number(
        "router-loss", in: 0...1000, default: 0,
        help: "what the loss that keeps experts equally busy counts beside that of the text; 0 for nothing"),
    .integer("epochs", in: 1...1_000_000, default: 1, help: "times that each sample is learned"),
    .integer("steps", in: 1...1_000_000_000, help: "optimizer steps, instead of --epochs"),
    .integer("accumulate", in: 1...65536, unit: "batches", default: 1, help: "batches of a step, weighted by their tokens"),
    .flag("pack", help: "fill batches up to batch size x max length with samples, each attending to itself"),
]

private let runOptions: [Option] = [
    .choice(
        "checkpointing", ["auto", "on", "off"], default: "auto",
        help: "recompute activations instead of keeping them; auto does where memory is short"),
    .byteCount("max-memory", defaultText: "what is available", help: "refuse to start with more than this"),
    .integer(
        "eval-every", in: 1...1_000_000_000, unit: "steps", defaultText: "ten times in a run",
        help: "steps between evaluations on the validation split"),
    .flag("keep-best", help: "write the parameters with the lowest validation loss, not the last"),
    .integer(
        "patience", in: 1...1_000_000, unit: "evaluations", help: "end the run after so many without a lower validation loss"),
    .text("sample-prompt", "TEXT", help: "instruction to answer before, during and after the run").repeatable(),
    .path("log", "FILE", help: "one JSON line for each step and evaluation, and all records cut or left out"),
    .path("plot", "FILE", help: "picture of the losses (SVG)"),
    .integer("save-every", in: 1...1_000_000_000, unit: "steps", help: "steps between checkpoints"),
    .path("checkpoints", "FOLDER", defaultText: "OUTPUT.checkpoints", help: "where checkpoints lie"),
    .integer("keep", in: 1...1_000_000, default: 2, help: "newest checkpoints to keep"),
    .flag("resume", help: "go on from the newest checkpoint, bit for bit"),
    .path("merge-into", "OUT.qnf", help: "also write base and adapter as one model, as qmerge does"),
    .integer("calibration-sample", in: 1...4096, unit: "samples", help: "leave so many in the adapter, as text, for qmerge"),
]

private let trainCommand = Command(
    summary: "fine-tune a model with LoRA, its weights staying 4-bit",
    discussion: """
        The base stays as it is, 4-bit or dense; trained is a pair of small factors beside each linear layer (LoRA), or with \
        --full everything. The output is a .lora file for 'qrun --adapter' and 'qmerge'; 'qconvert to-peft' makes a PEFT \
        folder of it.

        With --merge-into OUT.qnf the adapter is merged into a 4-bit base when it is done: its effect is brought into the codes by what the base's layers see of \
        the training records and of a general text ('qmerge MODEL OUTPUT -o OUT.qnf --calibrate FILE --calibrate default', byte for byte). With \
        --calibration-sample N the adapter brings N of the training samples along, to the letter, and merging needs no other text: whoever gets the adapter \
        can read them.

        Same seed and options, same bytes on one kind of processor: for any number of threads, and after any number of \
        interruptions.

        Warm-up counts from 1: of N steps, step K has K/N of the learning rate (transformers' Trainer: (K - 1)/N, so that its \
        first step changes nothing). Weight decay reaches all that is trained, with --full biases, norms and embeddings too, as \
        PyTorch's AdamW does by itself; the Trainer spares biases and norms. Nothing is dropped but by --dropout: what config.json \
        says of it (attn_pdrop and the like) is left out.
        """,
    arguments: [Argument("model", help: modelHelp)],
    options: [.output.required()] + dataOptions + loraOptions + optimizerOptions + runOptions + [.threads, .dryRun, .force, .json],
    example: "qtrain tinyllama.qnf --data instructions.json -o tuned.lora --epochs 2", run: train)

private let evaluateCommand = Command(
    "evaluate", summary: "measure the loss on a split, and compare answers with the expected ones",
    arguments: [Argument("model", help: modelHelp)],
    options: dataOptions + [
        .path("adapter", "ADAPTER[@W]", help: "adapter on top of the model, times weight W"),
        .tokenizer(help: "whose tokenizer is used, where the adapter brings its own"),
        .choice("part", DataSplit.Part.allCases.map(\.rawValue), default: "test", help: "which part of the split"),
        .integer(
            "answers", in: 0...1_000_000, defaultText: "0, with --output all", help: "records to answer, from the first of the part on"),
        .integer("answer-length", in: 1...1 << 20, unit: "tokens", default: 64, help: "longest answer"),
        .path("output", short: "o", "FILE", help: "where the answers go, beside the expected ones (JSON)"),
        .threads, .force, .json,
    ],
    example: "qtrain evaluate tinyllama.qnf --adapter a.lora --data tasks.json --answers 20", run: evaluate)
