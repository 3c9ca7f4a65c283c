import CommandLineKit
import TestSupport

/// A tool with every kind of option and argument. Its commands print what they were given.
enum DemoTool {
    static let tool = Tool(
        "qdemo", summary: "show what a command line means", version: "1.2.3", commands: [quantize, layers, merge, fail])

    static let quantize = Command(
        "quantize", summary: "quantize a model to 4 bits",
        discussion: """
            Rules are tried in command line order and the first one that matches decides. A tensor that no rule names is
            quantized when it is a matrix.

              type   bits   used by
              nf4    4.13   QLoRA
              fp4    4.13   comparisons
            """,
        arguments: [
            Argument("input", help: "model file or folder")
        ],
        options: [
            .output.required(),
            .choice("type", ["nf4", "fp4"], default: "nf4", help: "codebook of the result"),
            .choice(
                "layout", ["as-in-source", "sorted-by-name", "sorted-by-size"], placeholder: "LAYOUT",
                defaultText: "chosen by size", help: "order of the tensors"),
            .integer(
                "block-size", short: "b", in: 16...4096, unit: "elements", default: 64, help: "elements that share one absmax"),
            .integer("first", "LAYER", in: Int.min...Int.max, help: "first layer, counted from the end when negative"),
            .number("threshold", in: 0...1, default: 0.01, help: "largest relative error"),
            .number("bias", unit: "standard deviations", help: "added to every element"),
            .text("keep", "REGEX", help: "leave tensors whose name matches as they are").repeatable(),
            .text("quantize", "REGEX", help: "quantize tensors whose name matches").repeatable(),
            .text("a-very-long-option-name", "PLACEHOLDER", default: "none", help: "stands on a line of its own"),
            .maxMemory, .threads, .force, .dryRun,
        ],
        example: "qdemo quantize gpt2 -o gpt2.qnf --keep 'wpe|wte'"
    ) { arguments, console in
        let rules = arguments.ordered(["keep", "quantize"]).map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        let lines = [
            "input \(arguments.positional(always: "input"))", "output \(arguments.string(always: "output"))",
            "type \(arguments.string(always: "type"))", "layout \(arguments.string("layout") ?? "-")",
            "block-size \(arguments.integer(always: "block-size"))",
            "first \(arguments.integer("first").map(String.init) ?? "-")",
            "threshold \(arguments.number(always: "threshold"))", "bias \(arguments.number("bias").map { "\($0)" } ?? "-")",
            "rules \(rules)", "max-memory \(arguments.byteCount("max-memory").map(String.init) ?? "-")",
            "threads \(arguments.integer("threads").map(String.init) ?? "-")", "force \(arguments.flag("force"))",
            "dry-run \(arguments.flag("dry-run"))",
        ]
        for line in lines { try console.writeLine(line) }
        console.note("nothing was written")
        return .done
    }

    static let layers = Command(
        "layers", summary: "list the tensors of models",
        arguments: [Argument("input", .oneOrMore, help: "model files or folders")],
        options: [.json, .match, .diffable],
        example: "qdemo layers gpt2 --match 'attn'"
    ) { arguments, console in
        var table = Table([.init("model", canShrink: true), .init("letters", .right)])
        for input in arguments.positionals("input") { table.addRow([.init(input), "\(input.utf8.count)"]) }
        try console.write(table)
        return arguments.isGiven("match") ? .no : .done
    }

    static let merge = Command(
        "merge", summary: "merge adapters",
        arguments: [
            Argument("base", help: "model to merge into"), Argument("adapter", .zeroOrMore, help: "adapters, in order"),
            Argument("output", help: "result"),
        ],
        example: "qdemo merge gpt2 alpaca out"
    ) { arguments, console in
        try console.writeLine(
            "\(arguments.positional(always: "base")) + \(arguments.positionals("adapter")) -> "
                + arguments.positional(always: "output"))
        return .done
    }

    static let fail = Command(
        "fail", summary: "fail in the way that is asked for",
        arguments: [Argument("how", .optional, isPath: false, help: "usage, failure or unknown")],
        example: "qdemo fail usage"
    ) { arguments, console in
        console.warning("about to fail", hint: "stand back")
        try console.writeLine("before")
        switch arguments.positional("how") {
        case "usage": throw UsageError("'how' cannot be usage", hint: "try failure")
        case "failure": throw Failure("tensor 'a\u{1B}[2Jb\nc': bad", hint: "rename '\u{7}'")
        case "unknown": throw Unknown()
        default: return .failed
        }
    }

    struct Unknown: Error {}

    /// A tool that does one thing.
    static let single = Tool(
        "qmerge", version: "1.2.3",
        command: Command(
            summary: "merge an adapter into a model",
            arguments: [Argument("base", help: "model"), Argument("adapter", help: "adapter")],
            options: [.output.required(), .flag("unmerge", help: "take the adapter out again")],
            example: "qmerge gpt2 alpaca.lora -o merged.qnf"
        ) { arguments, console in
            try console.writeLine(arguments.flag("unmerge") ? "unmerged" : "merged")
            return .done
        })

    struct Run: Equatable {
        var status: ExitCode
        var output: String
        var errors: String
    }

    static func run(_ line: [String], tool: Tool = tool, terminal: Terminal = .none, malformedArgument: Int? = nil) -> Run {
        let output = RecordingSink()
        let errors = RecordingSink()
        let console = Console(
            toolName: tool.name, output: output, errors: errors, outputTerminal: terminal, errorTerminal: terminal)
        let status = tool.run(line, console, malformedArgument: malformedArgument)
        return Run(status: status, output: output.text, errors: errors.text)
    }
}
