import ByteIO
import Glibc
import SafetensorsFormat
import TensorCore
import TestSupport

/// Changes to copies of files.
extension Fixture {
    /// Puts other text where `text` stands in a file, which keeps its other bytes.
    static func replace(_ text: String, with other: String, in path: String) throws {
        let changed = Array(String(decoding: try bytes(path), as: UTF8.self).replacing(text, with: other).utf8)
        let descriptor = open(path, O_WRONLY | O_TRUNC)
        defer { close(descriptor) }
        guard write(descriptor, changed, changed.count) == changed.count else { throw FileError(path, "cannot be written") }
    }

    /// Puts another name of the same length where `name` stands in a file that is no text.
    static func replaceBytes(_ name: String, with other: String, in path: String) throws {
        guard let place = try bytes(path).firstRange(of: Array(name.utf8)), name.utf8.count == other.utf8.count else {
            throw FileError(path, "holds no '\(name)'")
        }
        let descriptor = open(path, O_RDWR)
        defer { close(descriptor) }
        pwrite(descriptor, other, other.utf8.count, off_t(place.lowerBound))
    }

    /// The sample Llama in 4 bits, with another text in its config or in another of its files.
    static func copyOfLlama(replacing text: String, with other: String, in changed: String = "config.json") throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
            let copy = try AtomicOutput(destination: folder.path(name), replaces: false)
            let file = try copy.file()
            try file.write(try bytes(sample("llama-bnb4/\(name)")), atOffset: 0)
            try copy.commit([file])
        }
        try replace(text, with: other, in: folder.path(changed))
        return folder
    }

    static func store(_ text: String, in path: String) throws {
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        try file.write(Array(text.utf8), atOffset: 0)
        try output.commit([file])
    }

    /// Sets every element of a BF16 tensor of a .safetensors file.
    static func fill(_ tensor: String, with value: Float, in path: String) throws {
        let file = try SafetensorsFile(path: path)
        guard let index = file.tensors.firstIndex(where: { $0.name == tensor }), let place = file.place(ofTensor: index) else {
            throw FileError(path, "has no tensor '\(tensor)'")
        }
        let values = [UInt16](repeating: UInt16(value.bitPattern >> 16), count: file.tensors[index].shape.elementCount)
        let descriptor = open(path, O_RDWR)
        defer { close(descriptor) }
        guard pwrite(descriptor, values, 2 * values.count, off_t(place.offset)) == 2 * values.count else {
            throw FileError(path, "cannot be written")
        }
    }

    /// Flips one bit in the middle of a file.
    static func damage(_ path: String) throws {
        let offset = off_t(try InputFile(path: path).byteCount / 2)
        let descriptor = open(path, O_RDWR)
        defer { close(descriptor) }
        var byte: UInt8 = 0
        pread(descriptor, &byte, 1, offset)
        byte ^= 0x10
        pwrite(descriptor, &byte, 1, offset)
    }
}
