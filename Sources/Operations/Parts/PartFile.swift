package import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore

/// A part that lies there: its header is checked, and its results are read.
package struct PartFile: Sendable {
    package let part: PartNumber
    /// Digest of the frame, which is the same of all parts.
    package let conversion: String
    package let tool: String
    package let command: String
    package let options: String
    package let source: String
    let file: SafetensorsFile
    let record: PartRecord
    /// Indices in the file.
    private let names: [ByteKey: Int]

    /// Results have some hundred bytes a tensor.
    private static let resultsByteCountLimit = 1 << 30

    package init(path: String) throws(FileError) {
        let file = try SafetensorsFile(path: path)
        guard let version = file.metadata(PartWriter.Key.version) else {
            throw FileError(path, "is no part of a conversion", hint: "parts are what `Conversion` and the exports write with `part`")
        }
        guard version == String(PartFrame.version) else {
            throw FileError(
                path, at: "__metadata__", "the part is of version '\(version)', but version \(PartFrame.version) is read",
                hint: "another version of the tools may have written it; join with that one")
        }
        func value(_ key: String) throws(FileError) -> String {
            guard let value = file.metadata(key) else { throw Self.damage(path, "'\(key)' is missing") }
            return value
        }
        _ = try file.checkHeader(key: PartWriter.Key.headerChecksum, stated: try value(PartWriter.Key.headerChecksum), hint: Self.hint)
        let number = try value(PartWriter.Key.number), count = try value(PartWriter.Key.count)
        guard let part = Int(number).flatMap({ number in Int(count).flatMap { PartNumber(number, of: $0) } }) else {
            throw Self.damage(path, "it is part '\(number)' of '\(count)', which cannot be")
        }
        self.part = part
        conversion = try value(PartWriter.Key.conversion)
        tool = try value(PartWriter.Key.tool)
        command = try value(PartWriter.Key.command)
        options = try value(PartWriter.Key.options)
        source = try value(PartWriter.Key.source)
        self.file = file
        names = Dictionary(file.tensors.enumerated().map { (ByteKey($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        guard let results = names[ByteKey(PartWriter.resultsName)] else { throw Self.damage(path, "it has no results") }
        let lines = try Self.bytes(results, of: file, limit: Self.resultsByteCountLimit)
        let checksum = CRC32C(of: lines), stated = try value(PartWriter.Key.resultsChecksum)
        guard checksum.description == stated else {
            throw Self.damage(path, "the checksum of its results is \(checksum), but '\(PartWriter.Key.resultsChecksum)' says \(stated)")
        }
        record = try PartRecord(lines: lines, path: path)
    }

    package var path: String { file.path }

    /// Index of a tensor of the file.
    func index(of name: String) -> Int? { names[ByteKey(name)] }

    /// The frame, which the first part has.
    func frame() throws(FileError) -> PartFrame {
        let lines = try piece(PartWriter.frameName)
        var hash = SHA256()
        hash.append(lines)
        let digest = "sha256:" + hash.finish()
        guard digest == conversion else {
            throw Self.damage(path, "the digest of the frame is \(digest), but '\(PartWriter.Key.conversion)' says \(conversion)")
        }
        return try PartFrame(lines: lines, path: path)
    }

    /// A whole piece of the output, compared with its checksum.
    func piece(_ name: String) throws(FileError) -> [UInt8] {
        guard let index = names[ByteKey(name)], let stated = record.pieces.first(where: { $0.name == name })?.checksum else {
            throw Self.damage(path, "it has no '\(name)'")
        }
        let bytes = try Self.bytes(index, of: file, limit: Self.resultsByteCountLimit)
        let checksum = CRC32C(of: bytes)
        guard checksum == stated else {
            throw FileError(path, at: "tensor '\(name)'", "its checksum is \(checksum), but \(stated) was written", hint: Self.hint)
        }
        return bytes
    }

    /// In what it differs from the parts of another conversion, in words.
    func difference(from frame: PartFrame, _ other: PartNumber) -> String {
        difference(
            tool: frame.tool, command: frame.command, options: frame.options.joined(separator: " "), source: frame.source, other)
    }

    func difference(from part: PartFile) -> String {
        difference(tool: part.tool, command: part.command, options: part.options, source: part.source, part.part)
    }

    private func difference(tool: String, command: String, options: String, source: String, _ other: PartNumber) -> String {
        if part.count != other.count { return "it is one of \(part.count), not of \(other.count)" }
        if self.command != command { return "it was made by \(self.command), not \(command)" }
        if self.tool != tool { return "it was made by \(self.tool), not \(tool)" }
        if self.options != options { return "it was made with '\(self.options)', not '\(options)'" }
        if self.source != source { return "it was made of another source, or the source has changed since" }
        return part == other ? "the plan was another" : "it is part \(part), not \(other)"
    }

    private static let hint = "the part is damaged; remove it and make it again"

    private static func damage(_ path: String, _ message: String) -> FileError { FileError(path, message, hint: hint) }

    private static func bytes(_ index: Int, of file: SafetensorsFile, limit: Int) throws(FileError) -> [UInt8] {
        let info = file.tensors[index]
        guard info.byteCount <= limit else {
            throw FileError(file.path, at: "tensor '\(info.name)'", "has \(info.byteCount) bytes, but at most \(limit) are read")
        }
        return try [UInt8](count: info.byteCount) { buffer throws(FileError) in
            try file.read(tensor: index, atByteOffset: 0, into: buffer)
        }
    }
}
