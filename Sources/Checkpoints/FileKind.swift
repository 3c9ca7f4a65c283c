import ByteIO
import SafetensorsFormat

/// What a file is, told by its first and last bytes and never by its name.
enum FileKind: Hashable {
    case safetensors
    case json
    /// A table as LevelDB and TensorFlow write it: the index of a bundle, or a V1 checkpoint.
    case tensorFlowTable
    /// Something that is known and cannot be read, with the next step to take.
    case unsupported(name: String, hint: String)
    case unknown

    /// Magic number in the last 8 bytes of a table.
    private static let tableMagic: [UInt8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]

    init(of file: InputFile) throws(FileError) {
        let head = try file.bytes(atOffset: 0, count: min(file.byteCount, 512))
        // First: a header of 640 bytes makes a file begin like a pickle, one of 35615 like a gzip archive.
        if head.count > 8, head[8] == UInt8(ascii: "{"), head[4..<8].allSatisfy({ $0 == 0 }) {
            self = .safetensors
        } else if let known = Self.unsupportedKind(head) {
            self = known
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
        if case .unsupported(let name, let hint) = kind { return FileError(file.path, "is \(name)", hint: hint) }
        if file.byteCount == 0 { return FileError(file.path, "is empty", hint: "the download failed; fetch the file again") }
        return FileError(
            file.path, "is no model file of a known kind",
            hint: "known are safetensors files, .qnf, Hugging Face folders and TensorFlow checkpoints")
    }

    private static func unsupportedKind(_ head: [UInt8]) -> FileKind? {
        func begins(_ text: String) -> Bool { head.starts(with: text.utf8) }
        let visible = String(decoding: head.drop { $0 <= 0x20 }.prefix(64), as: UTF8.self).lowercased()
        if begins("version https://git-lfs.github.com/spec/") {
            return .unsupported(
                name: "a Git LFS pointer, not the file itself (\(lfsByteCount(head)))",
                hint: "run 'git lfs pull' in the repository, or download the file itself")
        }
        if visible.hasPrefix("<!doctype html") || visible.hasPrefix("<html") {
            return .unsupported(
                name: "an HTML page, not a model",
                hint: "the download was answered with a web page (a login or an error); fetch the file again")
        }
        if visible.hasPrefix("<?xml") {
            return .unsupported(name: "an XML document, not a model", hint: "the download was answered with an error; fetch the file again")
        }
        if begins("GGUF") {
            return .unsupported(name: "a GGUF file", hint: "GGUF is not read; start from the safetensors files of the same model")
        }
        if begins("PK\u{3}\u{4}") {
            return .unsupported(
                name: "a zip archive, as PyTorch writes .bin and .pth files",
                hint: "pickled weights are not read; save the model as safetensors, or download its safetensors files")
        }
        if head.count > 2, head[0] == 0x80, (2...5).contains(head[1]) {
            return .unsupported(
                name: "a Python pickle, as old PyTorch versions write", hint: "pickled weights are not read; save the model as safetensors")
        }
        if head.starts(with: [0x1f, 0x8b]) { return .unsupported(name: "a gzip archive", hint: "unpack it first") }
        if head.starts(with: [0x89, 0x48, 0x44, 0x46]) {
            return .unsupported(name: "an HDF5 file", hint: "HDF5 is not read; save the model as safetensors")
        }
        if head.starts(with: [0x93, 0x4e, 0x55, 0x4d]) {
            return .unsupported(name: "a NumPy array", hint: "save the arrays as safetensors (safetensors.numpy.save_file)")
        }
        return nil
    }

    /// What an LFS pointer says of the real file: `size 123` is one of its lines.
    private static func lfsByteCount(_ head: [UInt8]) -> String {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\n")
        guard let size = lines.first(where: { $0.hasPrefix("size ") })?.dropFirst(5), let count = Int(size) else {
            return "its size is not given"
        }
        return "the real one has \(count) bytes"
    }
}
