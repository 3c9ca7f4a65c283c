package import ByteIO

/// A file that is known and cannot be read, with the next step to take: what comes in place of a safetensors file.
package struct ForeignFile: Hashable, Sendable {
    /// With its article: `a GGUF file`.
    package let name: String
    package let hint: String

    /// Bytes of the beginning of a file that are enough to tell.
    package static let headByteCount = 512

    package func refusal(path: String) -> FileError { FileError(path, "is \(name)", hint: hint) }

    /// Whether a file begins as a safetensors file does: a length below 4 GB, and an object.
    ///
    /// To be asked first: a header of 640 bytes makes a file begin like a pickle, one of 35615 like a gzip archive.
    package static func beginsSafetensors(_ head: [UInt8]) -> Bool {
        head.count > 8 && head[8] == UInt8(ascii: "{") && head[4..<8].allSatisfy { $0 == 0 }
    }

    /// What the first bytes of a file say; nil where they are those of a safetensors file, or of nothing that is known here.
    package static func recognize(_ head: [UInt8]) -> ForeignFile? {
        if beginsSafetensors(head) { return nil }
        func begins(_ text: String) -> Bool { head.starts(with: text.utf8) }
        let visible = String(decoding: head.drop { $0 <= 0x20 }.prefix(64), as: UTF8.self).lowercased()
        if begins("version https://git-lfs.github.com/spec/") {
            return ForeignFile(
                name: "a Git LFS pointer, not the file itself (\(lfsByteCount(head)))",
                hint: "run 'git lfs pull' in the repository, or download the file itself")
        }
        if visible.hasPrefix("<!doctype html") || visible.hasPrefix("<html") {
            return ForeignFile(
                name: "an HTML page, not a model",
                hint: "the download was answered with a web page (a login or an error); fetch the file again")
        }
        if visible.hasPrefix("<?xml") {
            return ForeignFile(name: "an XML document, not a model", hint: "the download was answered with an error; fetch the file again")
        }
        if begins("GGUF") {
            return ForeignFile(name: "a GGUF file", hint: "GGUF is not read; start from the safetensors files of the same model")
        }
        if begins("PK\u{3}\u{4}") {
            return ForeignFile(
                name: "a zip archive, as PyTorch writes .bin and .pth files",
                hint: "pickled weights are not read; save the model as safetensors, or download its safetensors files")
        }
        if head.count > 2, head[0] == 0x80, (2...5).contains(head[1]) {
            return ForeignFile(
                name: "a Python pickle, as old PyTorch versions write", hint: "pickled weights are not read; save the model as safetensors")
        }
        if head.starts(with: [0x1f, 0x8b]) { return ForeignFile(name: "a gzip archive", hint: "unpack it first") }
        if head.starts(with: [0x89, 0x48, 0x44, 0x46]) {
            return ForeignFile(name: "an HDF5 file", hint: "HDF5 is not read; save the model as safetensors")
        }
        if head.starts(with: [0x93, 0x4e, 0x55, 0x4d]) {
            return ForeignFile(name: "a NumPy array", hint: "save the arrays as safetensors (safetensors.numpy.save_file)")
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
