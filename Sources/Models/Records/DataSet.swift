package import ByteIO
import Compression
import JSONText

/// Records to learn from, read from one file.
///
/// Recognised by content: a JSON array of records, one JSON record a line (JSONL), or plain text, each also as gzip. A record is
///
///     {"instruction": ..., "input": ..., "output": ...}       Alpaca; `input` may be missing
///     {"messages": [{"role": ..., "content": ...}, ...]}      chat; `ConversationReader` says what a message is
///     {"conversations": [{"from": ..., "value": ...}, ...]}   the same as ShareGPT writes it; "system" may stand beside
///     {"prompt": ..., "completion": ...}
///     {"text": ...}
///
/// A file whose name ends in `.txt` or `.txt.gz` is plain text whatever it holds: one record.
package struct DataSet: Sendable {
    package enum Form: String, Sendable {
        case array = "JSON array", lines = "JSON lines", text = "plain text"
    }

    package let path: String
    package let form: Form
    package let records: [TrainingRecord]
    /// Where each record stands in the file, for messages: `line 12`, `record 12`.
    package let places: [String]
    /// Fields that some records have and nobody reads, with how many records have them.
    package let unusedFields: [(name: String, count: Int)]
    /// All of it, where it is one text: there are no records to split, so it is to be cut first.
    package var onlyText: TrainingRecord? {
        guard records.count == 1, case .text = records[0] else { return nil }
        return records[0]
    }

    /// Identifies the text, whatever it was compressed with.
    package let checksum: CRC32C

    /// Everything is held in memory: a larger file is for another kind of trainer.
    package static let byteCountLimit = 1 << 30

    /// - Throws: for a file that cannot be read, is empty or not UTF-8, or holds anything but such records.
    package static func open(_ path: String) throws(FileError) -> DataSet {
        if FilePath.kind(of: path) == .folder { throw FileError(path, "is a folder, not a file", hint: ForeignData.folderHint) }
        let file = try InputFile(path: path)
        var name = FilePath.name(of: path).lowercased()
        // Before its size is looked at: what is not read at all is no matter of size.
        try refuseForeign(try file.bytes(atOffset: 0, count: min(ForeignData.headByteCount, file.byteCount)), name: name, path: path)
        var bytes = try file.allBytes(limit: byteCountLimit)
        if Gzip.isGzip(bytes) {
            bytes = try Gzip.expand(bytes, path: path, limit: byteCountLimit, of: "a data set")
            if name.hasSuffix(".gz") { name.removeLast(3) }
            try refuseForeign(bytes, name: name, path: path)
        }
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes.removeFirst(3) }
        try checkEncoding(bytes, path: path)
        guard let first = bytes.first(where: { !isSpace($0) }) else { throw FileError(path, "there is nothing in it to learn from") }
        if [".json", ".jsonl", ".ndjson"].contains(where: name.hasSuffix), first != UInt8(ascii: "["), first != UInt8(ascii: "{") {
            throw FileError(
                path, "is named as JSON, but begins with neither [ nor {", hint: "plain text is read from a file that is named .txt")
        }
        var reader = RecordReader(path: path)
        let form: Form = name.hasSuffix(".txt") ? .text : first == UInt8(ascii: "[") ? .array : first == UInt8(ascii: "{") ? .lines : .text
        switch form {
        case .array: try reader.readArray(bytes)
        case .lines: try reader.readLines(bytes)
        case .text: reader.add(.text(String(decoding: bytes, as: UTF8.self)), place: "text")
        }
        guard !reader.records.isEmpty else { throw FileError(path, "there are no records in it to learn from") }
        return DataSet(
            path: path, form: form, records: reader.records, places: reader.places,
            unusedFields: reader.unusedFields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, checksum: CRC32C(of: bytes))
    }

    private static func refuseForeign(_ bytes: [UInt8], name: String, path: String) throws(FileError) {
        if let foreign = ForeignData.recognize(bytes, name: name) { throw FileError(path, "is \(foreign.name)", hint: foreign.hint) }
    }

    package static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

    private static func checkEncoding(_ bytes: [UInt8], path: String) throws(FileError) {
        guard String(validating: bytes, as: UTF8.self) == nil else { return }
        let isUTF16 = bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff])
        var line = 1
        for part in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
            guard String(validating: part, as: UTF8.self) != nil else { break }
            line += 1
        }
        throw FileError(
            path, at: "line \(line)", isUTF16 ? "the text is UTF-16, but UTF-8 is read" : "the text is not UTF-8",
            hint: "convert it: iconv -f \(isUTF16 ? "UTF-16" : "ISO-8859-1") -t UTF-8")
    }
}
