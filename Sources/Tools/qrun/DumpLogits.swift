import Architectures
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import SafetensorsFormat
import TensorCore
import ToolSupport
import Transformer

/// `--dump-logits`: logits of every position of the prompt, for comparison with other programs.
func dumpLogits(
    of ids: [Int32], _ session: InferenceSession, to path: String, _ checkpoint: Checkpoint, _ arguments: ParsedArguments,
    _ console: Console
) throws -> ExitCode {
    let vocabularySize = session.configuration.vocabularySize
    let dimensions = [ids.count, vocabularySize]
    guard let shape = Shape(dimensions), let info = TensorInfo(name: "logits", scalarType: .f32, shape: shape) else {
        throw Failure("logits of shape \(dimensions) are more than a file can hold")
    }
    let metadata = [(key: "format", value: "pt")]
    let output = try AtomicOutput(destination: path, replaces: arguments.flag("force"), inputs: checkpoint.inputFiles)
    let file = try output.file()
    let writer = try SafetensorsWriter(file: file, plan: [info], metadata: metadata)
    try session.append(ids) { first, rows in
        if let index = rows.firstIndex(where: { !$0.isFinite }) {
            let position = first + index / vocabularySize
            throw session.explained(ModelError("the logits of position \(position + 1) of \(ids.count) are not all finite numbers"))
        }
        try writer.write(UnsafeRawBufferPointer(rows), tensor: 0, atByteOffset: 4 * first * vocabularySize)
    }
    try writer.finish { _ in metadata }
    try output.commit([file])
    if arguments.flag("json") {
        try console.writeJSON(["output": .string(path), "shape": .array(dimensions.map { .integer($0) })])
    } else {
        try console.writeLine("\(path): logits \(dimensions) of F32")
    }
    return .done
}
