import CalibrationSupport
package import CommandLineKit
import ModelToolSupport
import ToolSupport

/// The tool: what a conversion has lost, and whether a file is whole.
package let qverify = Tool(
    "qverify", summary: "measure what a conversion has lost", version: toolVersion,
    commands: [roundtripCommand, joinCommand, mergeCommand, integrityCommand, perplexityCommand, compareCommand, reportCommand])

private let roundtripCommand = Command(
    "roundtrip", summary: "compare a quantized model with its source, weight by weight",
    discussion: """
        For every tensor: relative RMSE (error over signal), largest error as a share of what the format allows (half the widest \
        gap between codes, 0.1519 of the block's absmax for NF4, plus what 8-bit constants add), signal to noise in decibels and \
        cosine. Worst first. Exit status 1 where tensors are missing, an error leaves its bound, or a limit below is not met. Codes that were \
        chosen by calibration have no such bound; --bit-exact chooses them once more, with the same text.

        --part K/N writes what it finds of a share of the tensors into a file; 'qverify join' prints the report of all, and answers.
        """,
    arguments: [
        Argument("source", help: "the model before quantization, in any format"),
        Argument("model", help: "the model to judge"),
    ],
    options: [
        .maximumRelativeRMSE,
        .flag("bit-exact", help: "quantize the source again and compare every byte"),
        .calibrate(use: "that codes were chosen by, for --bit-exact"),
        .path("imatrix", "FILE", help: "that scales were searched for by, for --bit-exact"),
        .allTensors,
    ] + Option.reportParts + [.threads, .maxMemory, .json],
    example: "qverify roundtrip TinyLlama-1.1B tinyllama.qnf --max-rel-rmse 0.12", run: roundtrip)

private let mergeCommand = Command(
    "merge", summary: "merge again and compare with a merged model, byte for byte",
    discussion: """
        Every tensor that a merge of the same base and adapters would store is computed again and compared with the merged model; nothing is \
        written. The form is that of the merged model. Codes that were flipped are flipped again, on the same text. Exit status 1 where \
        anything differs.
        """,
    arguments: [
        Argument("base", help: "the model before the merge"),
        Argument("adapter", .oneOrMore, help: "the adapters in their order; name@WEIGHT where one was not merged whole"),
        Argument("merged", help: "the merged model"),
    ],
    options: [.path("reference", "SOURCE", help: "the weights that were merged into instead of the base's")]
        + [.calibrate(use: "that codes were flipped on"), .calibrationTokens(nil)] + [.threads, .maxMemory, .json],
    example: "qverify merge base.qnf my.lora merged.qnf", run: verifyMerge)

private let integrityCommand = Command(
    "integrity", summary: "compare every byte of a file with the checksums that it keeps",
    arguments: [Argument("file", help: "model, in any format")],
    options: [.threads, .maxMemory, .json],
    example: "qverify integrity model.qnf"
) { arguments, console in
    try checkIntegrity(of: arguments.positional(always: "file"), arguments, console)
}

extension Option {
    static let maximumRelativeRMSE = Option.number(
        "max-rel-rmse", in: 0...1, help: "largest relative RMSE that a quantized tensor may have")
    static let allTensors = Option.flag("all", help: "list all tensors, not only the worst ten")
}
