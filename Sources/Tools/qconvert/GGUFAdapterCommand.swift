import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ToolSupport

/// `qconvert to-gguf-lora`.
func toGGUFLoRA(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    let adapter = try console.openAdapter(arguments.positional(always: "adapter"))
    let base = try console.openCheckpoint(arguments.positional(always: "base"), for: .looking)
    try console.warnOfCopies(in: adapter, for: base)
    let path = arguments.string(always: "output")
    let name = name(of: adapter)
    let export = try GGUFAdapterExport(adapter, for: base.describedModel(), basePath: base.path, name: name)
    let byteCount = try export.run(path: path, replaces: arguments.flag("force"), inputs: base.inputFiles)
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "form": .string(Adapter.Form.gguf.rawValue), "name": .string(name), "bytes": .integer(byteCount),
            "modules": .integer(export.moduleCount), "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
    } else {
        try console.writeLine(
            "\(path): GGUF adapter, \(NumberText.grouped(export.moduleCount)) modules, \(NumberText.byteCount(byteCount))")
    }
    return .done
}

/// Of its folder, or of the file without its ending.
private func name(of adapter: Adapter) -> String {
    let name = FilePath.name(of: adapter.folder ?? adapter.path)
    return [".lora", ".gguf"].contains { name.hasSuffix($0) } ? String(name.dropLast(5)) : name
}
