import ByteIO
import Checkpoints
import CommandLineKit
import GGUFFormat
import JSONText
import TensorCore
import ToolSupport

/// `qinspect metadata`.
func metadata(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "file"), for: .looking)
    if arguments.flag("json") {
        try console.writeJSON([
            "path": .string(checkpoint.path), "kind": .string(checkpoint.kind.title),
            "files": .array(
                checkpoint.source.files.map { .object(["name": .string($0.name), "bytes": .integer($0.byteCount)]) }),
            "fingerprint": checkpoint.metadata.map { .string($0.fingerprint.description) } ?? .null,
            "settings": checkpoint.metadata?.settings ?? .null, "lineage": checkpoint.metadata?.lineage ?? .null,
            "config": checkpoint.config ?? .null,
            "gguf": try checkpoint.gguf.map { try GGUFDescription($0).document } ?? .null,
        ])
        return .done
    }
    try console.writeLine("\(checkpoint.path): \(checkpoint.kind.title)")
    for file in checkpoint.source.files {
        try console.writeLine("  \(file.name.terminalSafe), \(NumberText.exactByteCount(file.byteCount))")
    }
    if let metadata = checkpoint.metadata {
        try console.writeLine("\nfingerprint  \(metadata.fingerprint)")
        try write(metadata.settings, title: "settings", console)
        try write(metadata.lineage, title: "lineage, oldest step first", console)
    }
    if let source = checkpoint.gguf {
        let description = GGUFDescription(source)
        try console.writeLine("\n\(description.summary)\n")
        try console.write(description.table())
    }
    if let config = checkpoint.config { try write(config, title: "config.json", console) }
    return .done
}

/// A JSON value as indented lines of keys and values.
private func write(_ value: JSONValue, title: String, _ console: Console) throws {
    try console.writeLine("\n\(console.style.bold(title))")
    for line in value.text(.indented).split(separator: "\n") { try console.writeLine("  " + String(line).terminalSafe) }
}
