import ByteIO

/// A data set in a form that is known and not read, with the way out. Much of it would pass for plain text otherwise.
package struct ForeignData {
    /// With its article: `a Parquet file`.
    package let name: String
    package let hint: String

    /// Bytes of the beginning of a file that are enough to tell.
    package static let headByteCount = 512

    private static let parquet = ForeignData(name: "a Parquet file", hint: converted(from: "parquet"))
    private static let arrow = ForeignData(name: "an Arrow file", hint: converted(from: "arrow"))
    private static let compressed = ForeignData(name: "a compressed file", hint: "unpack it first; only gzip is read as it is")

    private static let beginnings: [(bytes: [UInt8], data: ForeignData)] = [
        (Array("PAR1".utf8), parquet), (Array("PARE".utf8), parquet),
        (Array("ARROW1".utf8), arrow), (Array("FEA1".utf8), arrow),
        // The stream form, which the datasets library keeps on disk: a continuation mark, then the length of a schema.
        ([0xff, 0xff, 0xff, 0xff], arrow),
        (Array("Obj\u{1}".utf8), ForeignData(name: "an Avro file", hint: "write its records as JSON lines, one object a line")),
        (Array("SQLite format 3\0".utf8), ForeignData(name: "an SQLite database", hint: "write its rows as JSON lines, one object a line")),
        (
            Array("PK\u{3}\u{4}".utf8),
            ForeignData(name: "a zip archive or a spreadsheet", hint: "unpack it, or save the sheet as CSV first")
        ),
        (Array("BZh".utf8), compressed), ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], compressed), ([0x28, 0xb5, 0x2f, 0xfd], compressed),
        ([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], compressed),
        (
            Array("version https://git-lfs.github.com/spec/".utf8),
            ForeignData(
                name: "a Git LFS pointer, not the file itself",
                hint: "run 'git lfs pull' in the repository, or download the file itself")
        ),
    ]

    /// What a file's first bytes, or its name, say; nil where that is nothing known here.
    ///
    /// - Parameter name: in lower case.
    package static func recognize(_ bytes: [UInt8], name: String) -> ForeignData? {
        if let found = beginnings.first(where: { bytes.starts(with: $0.bytes) }) { return found.data }
        if name.hasSuffix(".csv") { return table("a table of comma-separated values", "csv.DictReader(sys.stdin)") }
        if name.hasSuffix(".tsv") { return table("a table of tab-separated values", "csv.DictReader(sys.stdin, delimiter='\\t')") }
        guard !name.hasSuffix(".txt"), !name.hasSuffix(".html"), !name.hasSuffix(".htm") else { return nil }
        let visible = String(decoding: bytes.prefix(headByteCount).drop(while: DataSet.isSpace).prefix(64), as: UTF8.self).lowercased()
        guard visible.hasPrefix("<!doctype html") || visible.hasPrefix("<html") else { return nil }
        return ForeignData(
            name: "an HTML page", hint: "a download answered with a page is to be fetched again; a page to learn from is named .html")
    }

    /// What to do about a folder, which the datasets library makes of a data set.
    package static let folderHint =
        "one file of records is read; of a data set that was saved as a folder, Python makes one: "
        + "datasets.load_from_disk('FOLDER').to_json('data.jsonl'), with ['train'] before .to_json where it has splits"

    private static func converted(from format: String) -> String {
        "make JSON lines of it in Python: datasets.load_dataset('\(format)', data_files='FILE')['train'].to_json('data.jsonl')"
    }

    private static func table(_ name: String, _ reader: String) -> ForeignData {
        ForeignData(
            name: name,
            hint: "make JSON lines of it: python3 -c \"import csv, json, sys; [print(json.dumps(row)) for row in \(reader)]\" "
                + "<FILE >data.jsonl; to learn it as it stands, name it .txt")
    }
}
