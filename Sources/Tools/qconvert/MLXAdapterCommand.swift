import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import ToolSupport

/// `qconvert to-mlx-adapter`.
func toMLXAdapter(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let measures = RunMeasures()
    var adapter = try console.openAdapter(arguments.positional(always: "adapter"))
    let base = try arguments.string("base").map { try console.openCheckpoint($0, for: .looking) }
    if let base { adapter = try adapter.placed(on: base.describedModel(), basePath: base.path) }
    let path = arguments.string(always: "output")
    let export = try MLXAdapterExport(adapter)
    if export.adjustedCount > 0 {
        console.note(
            "\(NumberText.grouped(export.adjustedCount)) of \(NumberText.grouped(export.moduleCount)) modules have another rank or scale, which "
                + "their factors hold now")
    }
    let byteCount = try export.run(path: path, replaces: arguments.flag("force"), inputs: base?.inputFiles ?? [])
    if arguments.flag("json") {
        try console.writeJSON([
            "output": .string(path), "form": .string(Adapter.Form.mlx.rawValue), "bytes": .integer(byteCount),
            "modules": .integer(export.moduleCount), "rank": .integer(export.rank), "scale": .double(export.scale),
            "seconds": .double(measures.seconds), "peak_memory": .integer(measures.peakMemory),
        ])
    } else {
        try console.writeLine(
            "\(path): MLX adapter, \(NumberText.grouped(export.moduleCount)) modules, \(NumberText.byteCount(byteCount))")
    }
    return .done
}
