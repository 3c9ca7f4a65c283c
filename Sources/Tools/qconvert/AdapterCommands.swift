import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ToolSupport

/// `qconvert to-peft`.
func toPEFT(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode { try convertAdapter(to: .peft, arguments, console) }

/// `qconvert to-lora`.
func toLoRA(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode { try convertAdapter(to: .lora, arguments, console) }

private func convertAdapter(to form: Adapter.Form, _ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    var adapter = try console.openAdapter(arguments.positional(always: "adapter"))
    if let base = try arguments.string("base").map({ try console.openCheckpoint($0, for: .looking) }) {
        adapter = try adapter.placed(on: base.describedModel(), basePath: base.path)
    }
    let path = arguments.string(always: "output")
    let byteCount = try adapter.copy(to: path, as: form, replaces: arguments.flag("force"), tool: "qconvert \(toolVersion)")
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "form": .string(form.rawValue), "bytes": .integer(byteCount),
            "tensors": .integer(adapter.tensors.count), "trained": .integer(adapter.trainedCount),
            "base_fingerprint": adapter.baseFingerprint.map { .string($0) } ?? .null, "seconds": .double(measures.seconds),
            "peak_memory": .integer(measures.peakMemory),
        ])
    } else {
        try console.writeLine(
            "\(path): \(form.rawValue), \(NumberText.grouped(adapter.tensors.count)) tensors, "
                + "\(NumberText.grouped(adapter.trainedCount)) trained parameters, \(NumberText.byteCount(byteCount))")
    }
    return .done
}
