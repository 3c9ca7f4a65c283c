import Checkpoints
import CommandLineKit
import Inspection
import JSONText
import Streaming
import TensorCore
import ToolSupport

/// `qinspect digest`.
func digest(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let path = arguments.positional(always: "file"), isDequantized = arguments.flag("dequantized")
    let pattern = try arguments.matchPattern()
    let model = try console.openTensors(path)
    if isDequantized { try (model as? Checkpoint)?.requireReadableWeights() }
    let progress = console.progress("reading", total: model.storedByteCount)
    let resources = try arguments.resources(for: [model], progress: progress)
    let digests = TensorDigests(model, resources: resources)
    let isIncluded = { (name: String) in pattern?.matches(name) ?? true }
    let entries = try isDequantized ? digests.dequantized(where: isIncluded) : digests.stored(where: isIncluded)
    progress.finish()
    if arguments.flag("json") {
        try console.writeJSON([
            "dequantized": .bool(isDequantized),
            "tensors": .array(
                entries.map { entry in
                    .object([
                        "name": .string(entry.name), "dtype": .string(entry.scalarType.rawValue),
                        "shape": .array(entry.shape.dimensions.map { .integer($0) }), "sha256": .string(entry.digest),
                    ])
                }),
        ])
    } else {
        for entry in entries {
            try console.writeLine("\(entry.digest)  \(entry.scalarType.rawValue)  \(entry.shape)  \(entry.name.terminalSafe)")
        }
    }
    return .done
}
