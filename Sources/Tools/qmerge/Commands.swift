import CalibrationSupport
package import CommandLineKit
import MergeSupport
import ToolSupport

/// The tool: adapters into models, out of them again, and adapters from others.
package let qmerge = Tool("qmerge", version: toolVersion, command: mergeCommand)

private let mergeCommand = Command(
    summary: "merge LoRA adapters into a model, and undo it exactly",
    discussion: """
        The first input is the base: a .qnf, whose 4-bit weights are dequantized, added to and quantized again as they were, or a dense \
        model, whose files keep their form. The others are adapters, PEFT folders, .lora or GGUF files; name@0.5 merges half of one. Only tensors \
        that an adapter touches change, all others are copied byte for byte.

        Quantizing again loses what is small against the steps of four bits. The report says of each tensor how large its delta D is beside \
        the weight W, how much of it survived (<W'-W, D> / <D, D>), how much else changed (noise, relative to D), the share of codes or \
        elements that are others now, and the relative RMSE to W + D.

        So codes of 4-bit weights are flipped instead, wherever less than 90% of a delta would survive: as few as bring its effect back on \
        what the base's layers see of a text, a general one and what the adapter brings along of its training unless --calibrate names others: best what the adapter was trained on, and the general \
        one ('default') beside it. The report says then how much of the effect D X on inputs X that were held out is there, and the error |(W'-W-D) X| / |D X|. With --text it says as well how far \
        the merged model's predictions are from those of the base with the adapters beside it, and how much of what these gain is kept.

          qmerge base.qnf my.lora --calibrate train.jsonl --calibrate default -o m.qnf

        A merged model holds what undoes the merge:

          qmerge --unmerge merged.qnf -o base.qnf      the base, byte for byte
          qmerge --extract BASE TUNED --rank 16 -o out.lora
          qmerge --combine svd --rank 16 a.lora b.lora@0.5 -o c.lora

        Many machines share a merge: with --part K/N each writes OUTPUT.part-K-of-N, and the same command with --join instead makes the output \
        of all, with the bytes and the report of one run.
        """,
    arguments: [Argument("input", .oneOrMore, help: "base and adapters; with --unmerge a merged model, with --combine adapters alone")],
    options: [
        .output.required(),
        .choice("to", ["f32", "f16", "bf16"], help: "write a dense model: a folder, or one file that ends in .safetensors"),
        .choice(
            "method", MergeMethod.allCases.map(\.rawValue), default: "auto",
            help: "how 4-bit weights take the adapters up: auto flips codes where a delta would be lost, requantize is what PEFT does"),
    ] + [.calibrate(use: "to flip codes on"), .calibrationTokens(defaultCalibrationTokens)] + [
        .path(
            "reference", "SOURCE",
            help: "the weights before quantization, to merge into instead of the base's; --calibrate chooses codes for them"),
        .choice(
            "tokenizer", ["adapter", "base"], defaultText: "the base's, unless an adapter has other tokens",
            help: "whose tokenizer and chat template the output gets, where an adapter brings its own"),
        .path(
            "text", "FILE",
            help: "text, or records whose answers count, to read with the base, with the adapters beside it, and with the merged model"),
        .flag("no-undo", help: "leave out what undoes the merge"),
        .number("min-survival", in: 0...1, default: 0.5, help: "share of a delta, or of its effect, below which to warn"),
        .flag("strict", help: "exit with 1 where less than that survived, or where values pass their type, and then write nothing"),
        .flag("list", help: "report every tensor, not only the ten of which least survived"),
        .flag("unmerge", short: "u", help: "write the base that a merged model was made from"),
        .flag("all", help: "with --unmerge: undo every merge, not only the last"),
        .flag("extract", help: "write an adapter of the difference of two models, BASE and TUNED"),
        .choice(
            "combine", ["cat", "linear", "svd"],
            help: "write one adapter of several: their exact sum, one of sums of factors, or the sum cut to --rank"),
        .part, .flag("join", help: "put the parts of this merge together, which lie beside the output"),
        .integer("rank", short: "r", in: 1...65536, help: "rank of an adapter that --extract or --combine svd makes"),
        .dryRun, .threads, .maxMemory, .force, .json,
    ],
    example: "qmerge base.qnf my.lora -o merged.qnf", run: run)

/// What a command line asks for.
private func run(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let modes = ["unmerge", "extract", "combine"].filter(arguments.isGiven)
    guard modes.count <= 1 else { throw UsageError("--\(modes[0]) and --\(modes[1]) are two different things") }
    let allowed: [String: [String]] = [
        "unmerge": ["all"], "extract": ["rank"], "combine": ["rank"],
        "": [
            "to", "method", "calibrate", "tokens", "reference", "tokenizer", "text", "no-undo", "min-survival", "strict", "list", "part",
            "join",
        ],
    ]
    let mode = modes.first ?? ""
    for option in allowed.values.joined() where arguments.isGiven(option) && !allowed[mode, default: []].contains(option) {
        throw UsageError("--\(option) means nothing \(mode.isEmpty ? "in a merge" : "with --\(mode)")")
    }
    switch mode {
    case "unmerge": return try unmerge(arguments, console)
    case "extract": return try extract(arguments, console)
    case "combine": return try combine(arguments, console)
    default: return try merge(arguments, console)
    }
}
