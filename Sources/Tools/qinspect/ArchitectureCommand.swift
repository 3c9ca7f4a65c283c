import Architectures
import Checkpoints
import CommandLineKit
import JSONText
import ToolSupport

/// `qinspect architecture`.
func architecture(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let path = arguments.positional(always: "file")
    let checkpoint = try console.openCheckpoint(path, for: .looking)
    let model = try checkpoint.describedModel()
    for remark in model.remarks { console.warning("\(path): \(remark)") }
    if arguments.flag("json") {
        var document = JSONObject(["path": .string(path), "kind": .string(checkpoint.kind.title)])
        for member in ArchitectureDocument(model).document.members { document[member.key] = member.value }
        try console.writeJSON(document)
    } else {
        try console.writeLine("\(path): \(checkpoint.kind.title), \(model.modelType)".terminalSafe)
        try console.write(ArchitectureText(model).table)
    }
    return .done
}
