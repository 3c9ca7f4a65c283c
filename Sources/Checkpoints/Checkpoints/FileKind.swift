import ByteIO
import SafetensorsFormat

/// What a file is, told by its first and last bytes and never by its name.
enum FileKind: Hashable {
    case safetensors
    case json
    /// A table as LevelDB and TensorFlow write it: the index of a bundle, or a V1 checkpoint.
    case tensorFlowTable
    /// Something that is known and cannot be read.
    case unsupported(ForeignFile)
    case unknown

    /// Magic number in the last 8 bytes of a table.
    private static let tableMagic: [UInt8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]

    init(of file: InputFile) throws(FileError) {
        let head = try file.bytes(atOffset: 0, count: min(file.byteCount, ForeignFile.headByteCount))
        if ForeignFile.beginsSafetensors(head) {
            self = .safetensors
        } else if let known = ForeignFile.recognize(head) {
            self = .unsupported(known)
        } else if file.byteCount >= 48, try file.bytes(atOffset: file.byteCount - 8, count: 8) == Self.tableMagic {
            self = .tensorFlowTable
        } else if head.first(where: { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }) == UInt8(ascii: "{") {
            self = .json
        } else {
            self = .unknown
        }
    }

    /// A shard of a checkpoint; one that is known to be something else gets the error that says so.
    static func openShard(path: String) throws(FileError) -> SafetensorsFile {
        let file = try InputFile(path: path)
        let kind = try FileKind(of: file)
        if case .unsupported = kind { throw refuse(file, kind) }
        return try SafetensorsFile(file)
    }

    /// An error that says what was found instead of what was needed.
    static func refuse(_ file: InputFile, _ kind: FileKind) -> FileError {
        if case .unsupported(let foreign) = kind { return foreign.refusal(path: file.path) }
        if file.byteCount == 0 { return FileError(file.path, "is empty", hint: "the download failed; fetch the file again") }
        return FileError(
            file.path, "is no model file of a known kind",
            hint: "known are safetensors files, .qnf, Hugging Face folders and TensorFlow checkpoints")
    }
}
