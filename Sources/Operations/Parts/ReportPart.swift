package import ByteIO
import Checkpoints
package import JSONText
import SafetensorsFormat
package import TensorCore

/// What all parts of a report have in common: it says that they belong together.
package struct ReportFrame: Sendable, Hashable {
    /// `qinspect 0.1.0`
    package let tool: String
    /// `stats`
    package let command: String
    /// Those that decide what is looked at, as they would be typed.
    package let options: String
    /// Digest of what each model is.
    package let source: String
    /// What is looked at one by one, in the order of the model: each belongs to one part.
    package let itemCount: Int

    package init(tool: String, command: String, options: String, source: String, itemCount: Int) {
        self.tool = tool
        self.command = command
        self.options = options
        self.source = source
        self.itemCount = itemCount
    }

    static func source(of checkpoints: [Checkpoint]) throws(FileError) -> String {
        try checkpoints.map { checkpoint throws(FileError) in try SourceDigest.text(of: checkpoint) }.joined(separator: " ")
    }

    /// In what another differs, in words; nil where it is the same.
    package func difference(from other: ReportFrame) -> String? {
        if command != other.command { return "it was made by \(command), not \(other.command)" }
        if tool != other.tool { return "it was made by \(tool), not \(other.tool)" }
        if options != other.options { return "it was made with '\(options)', not '\(other.options)'" }
        if source != other.source { return "it was made of another model, or the model has changed since" }
        if itemCount != other.itemCount { return "it is of \(itemCount) things, not of \(other.itemCount)" }
        return nil
    }
}

/// A part of a report in a file: what was found of a share of a model.
///
///     __metadata__      report.version, report.part, report.parts, report.tool ... report.items,
///                       report.model (the path that was given), report.model.2 (of a second), report.crc32c (of the results)
///     report/payload/.. tensors of an output, where the report is of one
///     report/stream     bytes that come with these
///     report/results    lines of JSON: [index of the item, what was found]
package struct ReportPart: Sendable {
    package let part: PartNumber
    package let frame: ReportFrame
    /// Paths of the models, as they were given.
    package let models: [String]
    package let path: String
    /// By index, ascending.
    package let items: [(index: Int, found: JSONValue)]

    private let file: SafetensorsFile
    private let names: [ByteKey: Int]

    static let version = "1"
    static let results = "report/results"
    /// Before the names of tensors of the payload.
    static let payload = "report/payload/"
    static let stream = "report/stream"
    private static let hint = "the part is damaged; remove it and make it again"
    /// A result has some hundred bytes.
    static let byteCountLimit = 1 << 30

    /// Reads one.
    package init(path: String) throws(FileError) {
        let file = try SafetensorsFile(path: path)
        guard let version = file.metadata("report.version") else {
            throw FileError(path, "is no part of a report", hint: "parts are what `IntegrityCheck` and `Statistics` write with `part`")
        }
        guard version == Self.version else {
            throw FileError(
                path, at: "__metadata__", "the part is of version '\(version)', but version \(Self.version) is read",
                hint: "another version of the tools may have written it; join with that one")
        }
        func value(_ key: String) throws(FileError) -> String {
            guard let value = file.metadata("report." + key) else { throw FileError(path, "'report.\(key)' is missing", hint: Self.hint) }
            return value
        }
        func count(_ key: String) throws(FileError) -> Int {
            let text = try value(key)
            guard text.utf8.count < 12, let count = Int(text), count >= 0 else {
                throw FileError(path, "'report.\(key)' is '\(text)', which is no count", hint: Self.hint)
            }
            return count
        }
        let number = try count("part"), all = try count("parts")
        guard let part = PartNumber(number, of: all) else {
            throw FileError(path, "it is part '\(number)' of '\(all)', which cannot be", hint: Self.hint)
        }
        let frame = ReportFrame(
            tool: try value("tool"), command: try value("command"), options: try value("options"), source: try value("source"),
            itemCount: try count("items"))
        guard !Self.modelKeys(frame).isEmpty else { throw FileError(path, "'report.source' names no model", hint: Self.hint) }
        let names = Dictionary(file.tensors.enumerated().map { (ByteKey($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        guard let results = names[ByteKey(Self.results)], file.tensors[results].byteCount <= Self.byteCountLimit else {
            throw FileError(path, "it has no results, or more than are read", hint: Self.hint)
        }
        let lines = try [UInt8](count: file.tensors[results].byteCount) { buffer throws(FileError) in
            try file.read(tensor: results, atByteOffset: 0, into: buffer)
        }
        let checksum = CRC32C(of: lines).description, stated = try value("crc32c")
        guard checksum == stated else {
            throw FileError(path, "the checksum of its results is \(checksum), but 'report.crc32c' says \(stated)", hint: Self.hint)
        }
        self.part = part
        self.frame = frame
        self.path = path
        self.file = file
        self.names = names
        models = try Self.modelKeys(frame).map { key throws(FileError) in try value(key) }
        items = try Self.items(lines, path: path, count: frame.itemCount)
    }

    /// Keys of the paths of the models: as many as there are digests.
    static func modelKeys(_ frame: ReportFrame) -> [String] {
        frame.source.split(separator: " ").enumerated().map { $0.offset == 0 ? "model" : "model.\($0.offset + 1)" }
    }

    private static func items(_ lines: [UInt8], path: String, count: Int) throws(FileError) -> [(index: Int, found: JSONValue)] {
        var reader = LineReader(lines, path: path, of: "the results")
        var items: [(index: Int, found: JSONValue)] = []
        while !reader.isAtEnd {
            let row = try reader.next().array ?? []
            guard row.count == 2, let index = row[0].integer, index < count, index > items.last?.index ?? -1 else {
                throw reader.damage()
            }
            items.append((index, row[1]))
        }
        return items
    }

    /// A tensor that rides along: what reads it, and how it is stored.
    package func payload(_ name: String) -> (index: Int, info: TensorInfo)? {
        names[ByteKey(Self.payload + name)].map { ($0, file.tensors[$0]) }
    }

    /// The bytes that were streamed, likewise.
    package var stream: (index: Int, info: TensorInfo)? { names[ByteKey(Self.stream)].map { ($0, file.tensors[$0]) } }

    package func read(payload index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try file.read(tensor: index, atByteOffset: offset, into: buffer)
    }

    package var inputFile: InputFile { file.file }
}
