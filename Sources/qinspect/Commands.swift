package import CommandLineKit
import ToolSupport

/// The tool: what is inside a model file.
package let qinspect = Tool(
    "qinspect", summary: "show what is inside a model file or folder", version: toolVersion,
    commands: [layersCommand, metadataCommand, filesCommand, checkCommand, diffCommand, reportCommand])

private let fileArgument = Argument(
    "file", help: "model: .qnf or .safetensors file or index, Hugging Face folder, TensorFlow checkpoint, bitsandbytes 4-bit folder")

private let layersCommand = Command(
    "layers", summary: "list tensors with shape, type, bits per weight and bytes",
    discussion: """
        Tensors are grouped by layer. A 4-bit weight is one line, its constants counted in: NF4/64+DQ means NF4 in blocks of 64 with 8-bit constants. \
        No tensor data is read.
        """,
    arguments: [fileArgument], options: [.match, .diffable, .json],
    example: "qinspect layers model.qnf --match 'layers\\.0\\.'", run: layers)

private let metadataCommand = Command(
    "metadata", summary: "show configuration, settings, fingerprint and lineage",
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
        """,
    arguments: [fileArgument], options: [.threads, .maxMemory, .json],
    example: "qinspect check model.qnf", run: check)

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
