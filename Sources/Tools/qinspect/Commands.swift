package import CommandLineKit
import PromptSupport
import ToolSupport

/// The tool: what is inside a model file.
package let qinspect = Tool(
    "qinspect", summary: "show what is inside a model file or folder", version: toolVersion,
    commands: [
        layersCommand, architectureCommand, statsCommand, tensorCommand, diffCommand, reportCommand, adapterCommand, templateCommand,
        metadataCommand, filesCommand, checkCommand, joinCommand, digestCommand, doctorCommand,
    ])

private let fileArgument = Argument("file", help: modelHelp)

private let layersCommand = Command(
    "layers", summary: "list tensors with shape, type, bits per weight and bytes",
    discussion: """
        Tensors are grouped by layer. A 4-bit weight is one line, its constants counted in: NF4/64+DQ means NF4 in blocks of 64 with 8-bit constants. \
        No tensor data is read.
        """,
    arguments: [fileArgument], options: [.match, .diffable, .json],
    example: "qinspect layers model.qnf --match 'layers\\.0\\.'", run: layers)

private let architectureCommand = Command(
    "architecture", summary: "show what a model computes: layers, heads, experts",
    discussion: """
        What qrun would compute, by config.json and the tensors that are stored: widths, heads, rotation, windows, norms, experts; how \
        many parameters there are, and take part in a token; what keys and values take in F16. Layers that are alike are told once. Of a \
        model that qrun cannot run, it says why. No tensor data is read.
        """,
    arguments: [fileArgument], options: [.json],
    example: "qinspect architecture model.qnf", run: architecture)

private let statsCommand = Command(
    "stats", summary: "show range, mean, deviation, zeros and outliers of every tensor",
    discussion: """
        Reads every element once, streaming. 4-bit weights are counted as what they dequantize to, in float32. min, max, mean and std are of the \
        elements that are finite, std of all of them as the whole population; zeros is their share; >6 std counts those more than \
        6 standard deviations from the mean. A column NaN/Inf counts what is not finite, where there is any. Of whole numbers only \
        range and zeros are shown, of complex numbers nothing.

        4-bit tensors have a second table: the information in a code (4 bits where all 16 are equally frequent), the share of the \
        codes that stand for zero, and the distribution of the blocks' constants: smallest, median, 99th percentile, largest.

        --json has all of it with every digit: NaN, infinities of both signs and absmax, the count of each code, and percentiles. \
        The digits do not depend on the number of threads.

        --part K/N writes what it finds of a share of the tensors into a file; 'qinspect join' prints the report of all.
        """,
    arguments: [fileArgument], options: [.match, .diffable] + Option.reportParts + [.threads, .maxMemory, .json],
    example: "qinspect stats model.qnf --match 'mlp.*weight'", run: stats)

private let tensorCommand = Command(
    "tensor", summary: "show elements, statistics and a histogram of one tensor",
    discussion: """
        Ranges are Python's: half open, counted from the end where negative, either end may be left out; a single number is one row or \
        column. Without them the first 8 rows and columns are shown, in the weight's own orientation. A tensor of one dimension is one \
        row, whose elements --columns selects. Of more than two dimensions the last two are rows and columns; --index fixes those \
        before them, all at 0 by default.

        Of a 4-bit weight the elements are what it dequantizes to, in float32; the first two blocks that they lie in are taken apart \
        into the constant, the codes in hexadecimal, and the value of each. Histograms are drawn of floats only.

        --json has every digit, and the blocks, percentiles and counts of 'qinspect stats'.
        """,
    arguments: [fileArgument, Argument("name", isPath: false, help: "name of the tensor, as 'qinspect layers' lists it")],
    options: [
        .text("rows", short: "r", "A:B", defaultText: "0:8", help: "rows to show"),
        .text("columns", short: "c", "A:B", defaultText: "0:8", help: "columns to show"),
        .text("index", short: "i", "I,J,...", defaultText: "all 0", help: "indices of the dimensions before rows and columns"),
        .integer("bins", short: "b", in: 1...1000, default: 16, help: "bins of the histogram"),
        .threads, .maxMemory, .json,
    ],
    example: "qinspect tensor model.qnf model.embed_tokens.weight --rows -4: --columns 0:16", run: tensor)

private let adapterCommand = Command(
    "adapter", summary: "show rank, scaling and norms of a LoRA adapter",
    discussion: """
        Of every module that the adapter changes: shape of the weight as [out, in], rank, scaling, and the Frobenius norms of the factors A and B and \
        of the delta = scaling * (B @ A) that they add; of a whole layer, the norm of all its deltas together. With use_dora the sum is \
        rescaled besides, which depends on the base and is not counted.

        All other commands but 'report', 'files' and 'metadata' take adapters as well, as the tensors that they store.
        """,
    arguments: [Argument("adapter", help: "LoRA adapter: folder of PEFT or MLX, .lora file or GGUF file")], options: [.threads, .json],
    example: "qinspect adapter my.lora", run: adapter)

private let metadataCommand = Command(
    "metadata", summary: "show configuration, settings, fingerprint and lineage",
    discussion: """
        Of a .qnf what it was made of and how, of a folder its config.json, of a GGUF file its keys with their types. Long texts and arrays are \
        cut; with --json they are whole, arrays up to a million items.
        """,
    arguments: [fileArgument], options: [.json],
    example: "qinspect metadata model.qnf", run: metadata)

private let filesCommand = Command(
    "files", summary: "list or extract configuration and tokenizer files",
    arguments: [fileArgument],
    options: [.path("extract", "DIR", help: "write the files into DIR, which must not exist or needs --force"), .force, .json],
    example: "qinspect files model.qnf --extract tokenizer", run: files)

private let checkCommand = Command(
    "check", summary: "check every structural rule and every checksum",
    discussion: """
        Opening a file checks its structure; then every byte is read once, compared with the checksums that the format keeps \
        (.qnf and TensorFlow do, plain safetensors does not), and floats are looked through for NaN and infinities. \
        Exit status 1 where something is wrong, 2 where the file cannot be read as a model at all.

        --part K/N writes what it finds of a share of the tensors into a file; 'qinspect join' prints the report of all, and answers.
        """,
    arguments: [fileArgument], options: Option.reportParts + [.threads, .maxMemory, .json],
    example: "qinspect check model.qnf", run: check)

private let digestCommand = Command(
    "digest", summary: "list the SHA-256 of every tensor",
    discussion: """
        A line for each tensor: the digest, type, shape and name. Without an option it is that of the bytes that are stored. With --dequantized it is         that of the dense values that the model means, little-endian and row-major, in the type that quantized weights are recorded to         have had: what another library makes of the same file can be compared with it.
        """,
    arguments: [fileArgument],
    options: [
        .match, .flag("dequantized", help: "decode what is quantized, and take the digest of the values"), .threads, .maxMemory, .json,
    ],
    example: "qinspect digest model.qnf --dequantized", run: digest)

private let diffCommand = Command(
    "diff", summary: "compare two models, in any formats, tensor by tensor",
    discussion: """
        Tensors that only one has, other shapes, other types; and of other values: root of the mean square error relative to A, \
        largest and mean error, cosine, and how many elements differ. Worst first; equal tensors are counted. Where only one model's \
        names begin with 'transformer.' or 'model.', tensors are matched without it. NaN on both sides is equal. \
        Exit status 1 where the models differ.
        """,
    arguments: [
        Argument("a", help: "model to compare with, in any format"),
        Argument("b", help: "model to compare, in any format"),
    ],
    options: [
        .match, .flag("all", help: "list all tensors, not only the worst ten that differ"),
        .number(
            "tolerance", in: 0...Double.infinity, help: "relative RMSE that still counts as equal, whatever the types; 0: equal values"),
        .threads, .maxMemory, .json,
    ],
    example: "qinspect diff TinyLlama-1.1B tinyllama.qnf --tolerance 0.1", run: diff)

private let reportCommand = Command(
    "report", summary: "write one HTML page about a model",
    discussion: """
        What the model is, where its bytes are, how its weights are distributed, whether the file is whole, and with SOURCE what was lost \
        against it, layer by layer. The page needs no network and no script. Exit status 1 where the file is damaged: the page \
        then says so, and nothing of its values.
        """,
    arguments: [fileArgument, Argument("source", .optional, help: "the model before quantization, in any format")],
    options: [.output.required(), .force, .threads, .maxMemory],
    example: "qinspect report tinyllama.qnf TinyLlama-1.1B -o report.html", run: report)

private let templateCommand = Command(
    "template", summary: "show a model's chat template and what becomes of a conversation",
    discussion: """
        The variables are what the template asks its caller for. The conversation is shown as the model is given it, with │ between \
        tokens; special tokens stand in ‹ ›. Without --messages it is one question.
        """,
    arguments: [fileArgument],
    options: [
        .path("messages", "FILE", help: "conversation to render: a list of messages (JSON)"),
        .path("tools", "FILE", help: "functions that the model may call: a list of schemas (JSON)"),
        .path("documents", "FILE", help: "texts to answer from, for templates with a place for them (JSON)"),
    ] + Option.prompts(otherwise: "none", help: "the template: \(Option.templateNames)", date: "today") + [.json],
    example: "qinspect template model.qnf --messages talk.json", run: template)
