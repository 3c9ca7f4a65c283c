import ByteIO
import Checkpoints
import CommandLineKit
import ContainerKit
import JSONText
import ToolSupport

/// `qinspect files`.
func files(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    let checkpoint = try console.openCheckpoint(arguments.positional(always: "file"), for: .looking)
    let folder = arguments.string("extract")
    if let folder { try extract(checkpoint, to: folder, replaces: arguments.flag("force")) }
    if arguments.flag("json") {
        try console.writeJSON([
            "files": .array(checkpoint.files.map { .object(["name": .string($0.name), "bytes": .integer($0.byteCount)]) }),
            "extracted_to": folder.map { .string($0) } ?? .null,
        ])
        return .done
    }
    var table = Table([.init("file", canShrink: true), .init("bytes", .right)])
    for file in checkpoint.files { table.addRow([.init(file.name), .init(NumberText.grouped(file.byteCount))]) }
    table.addTotal([
        .init("\(checkpoint.files.count) files"), .init(NumberText.grouped(checkpoint.files.reduce(0) { $0 + $1.byteCount })),
    ])
    try console.write(table)
    if let folder { console.note("written to \(folder)") }
    return .done
}

private func extract(_ checkpoint: Checkpoint, to folder: String, replaces: Bool) throws {
    let output = try AtomicOutput(destination: folder, isFolder: true, replaces: replaces, inputs: checkpoint.inputFiles)
    var written: [OutputFile] = []
    for file in checkpoint.files {
        let copy = try output.createFile(named: file.name)
        try copy.write(try file.bytes(), atOffset: 0)
        written.append(copy)
    }
    try output.commit(written)
}
