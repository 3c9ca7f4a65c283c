import ByteIO
import JSONText
import TensorCore

/// The text of a directory, and back.
extension UndoDirectory {
    var document: JSONValue {
        .object([
            "version": .integer(Self.version), "form": .string(isFolder ? "folder" : "file"),
            "files": .array(
                files.map { file in
                    .object([
                        "name": .string(file.name), "bytes": .integer(file.byteCount), "header": file.header.document,
                        "crc32c": .string(file.checksums.map(\.description).joined()),
                    ])
                }),
            "companions": .array(
                companions.map { companion in
                    .object([
                        "name": .string(companion.name), "bytes": .integer(companion.byteCount),
                        "crc32c": .string(companion.checksum.description), "content": companion.content?.document ?? .null,
                    ])
                }),
            "tensors": .array(tensors.map(\.document)),
        ])
    }

    /// - Parameter payloadByteCount: bytes of the record before the directory: items lie there.
    /// - Throws: `JSONError`-like text in a `Problem`, for the caller to name the file.
    init(parsing bytes: [UInt8], payloadByteCount: Int) throws(Problem) {
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch { throw Problem("is no JSON: \(error.description)") }
        let reader = MemberReader(document, place: "the directory", payloadByteCount: payloadByteCount)
        let version = try reader.integer("version")
        guard version == Self.version else {
            throw Problem("is of version \(version), but this program reads version \(Self.version)")
        }
        switch try reader.string("form") {
        case "file": isFolder = false
        case "folder": isFolder = true
        case let form: throw Problem("has the form '\(JSONError.excerpt(form))', but 'file' or 'folder' is expected")
        }
        files = try reader.list("files") { (reader) throws(Problem) in
            File(
                name: try reader.fileName("name", where: FilePath.isPlainName), byteCount: try reader.count("bytes"),
                header: try reader.items("header", count: 1),
                checksums: try reader.checksums("crc32c"))
        }
        companions = try reader.list("companions") { (reader) throws(Problem) in
            let checksums = try reader.checksums("crc32c")
            guard checksums.count == 1 else { throw Problem("a companion has \(checksums.count) checksums, not 1") }
            return Companion(
                name: try reader.fileName("name", where: TemplateFolder.isFileName), byteCount: try reader.count("bytes"),
                checksum: checksums[0],
                content: try reader.isNull("content") ? nil : try reader.items("content", count: 1))
        }
        tensors = try reader.list("tensors") { (reader) throws(Problem) in try Tensor(reader) }
        guard files.count == 1 || isFolder, !files.isEmpty else { throw Problem("lists \(files.count) files of a base that is one file") }
        guard Set((files.map(\.name) + companions.map(\.name)).map(ByteKey.init)).count == files.count + companions.count else {
            throw Problem("lists a file twice")
        }
        guard Set(tensors.map { ByteKey($0.name) }).count == tensors.count else { throw Problem("lists a tensor twice") }
    }

    /// What is wrong with a directory.
    struct Problem: Error, Hashable {
        let message: String

        init(_ message: String) { self.message = message }
    }
}

extension UndoDirectory.Items {
    fileprivate var document: JSONValue {
        .object(["at": .integer(offset), "bytes": .array(byteCounts.map { .integer($0) })])
    }
}

extension UndoDirectory.Tensor {
    /// One that stands apart from a directory.
    ///
    /// - Parameter payloadByteCount: bytes that its items lie in.
    init(parsing document: JSONValue, payloadByteCount: Int) throws(UndoDirectory.Problem) {
        try self.init(MemberReader(document, place: "the tensor", payloadByteCount: payloadByteCount))
    }

    var document: JSONValue {
        var object = JSONObject(["name": .string(name)])
        switch method {
        case .difference: object["method"] = .string("xor")
        case .content: object["method"] = .string("content")
        case .subtraction(let type, let columns, let matrices, let terms):
            object["method"] = .string("subtract")
            object["dtype"] = .string(type.rawValue)
            object["columns"] = .integer(columns)
            if matrices > 1 { object["matrices"] = .integer(matrices) }
            object["terms"] = .array(
                terms.map { term in
                    // The bits: a decimal number would need care on both sides.
                    .object([
                        "rank": .integer(term.rank), "scale_bits": .integer(Int(term.scale.bitPattern)), "factors": term.factors.document,
                    ])
                })
        }
        object["bytes"] = .integer(byteCount)
        object["chunk"] = .integer(chunkByteCount)
        object["items"] = items.document
        return .object(object)
    }

    fileprivate init(_ reader: MemberReader) throws(UndoDirectory.Problem) {
        name = try reader.string("name")
        let place = "tensor '\(JSONError.excerpt(name))'"
        byteCount = try reader.count("bytes")
        chunkByteCount = try reader.count("chunk")
        guard chunkByteCount > 0 || byteCount == 0, chunkByteCount <= 1 << 30 else {
            throw UndoDirectory.Problem("\(place) has chunks of \(chunkByteCount) bytes")
        }
        items = try reader.items("items", count: chunkByteCount == 0 ? 0 : (byteCount - 1 + chunkByteCount) / chunkByteCount)
        switch try reader.string("method") {
        case "xor": method = .difference
        case "content": method = .content
        case "subtract":
            guard let type = ScalarType(rawValue: try reader.string("dtype")), type.isNarrowable else {
                throw UndoDirectory.Problem("\(place) has no type that a delta is subtracted from")
            }
            let (columns, size) = (try reader.count("columns"), type.bitCount / 8)
            guard columns > 0, byteCount % (columns * size) == 0, chunkByteCount % size == 0 else {
                throw UndoDirectory.Problem("\(place): \(byteCount) bytes are no rows of \(columns) elements of \(type.rawValue)")
            }
            let rows = byteCount / (columns * size), matrices = reader.has("matrices") ? try reader.count("matrices") : 1
            guard matrices > 0, rows % matrices == 0, matrices == 1 || rows > 0 else {
                throw UndoDirectory.Problem("\(place): \(rows) rows are no \(matrices) matrices of one size")
            }
            let terms = try reader.list("terms") { (reader) throws(UndoDirectory.Problem) in
                let bits = try reader.count("scale_bits"), rank = try reader.count("rank")
                // Factors have no more bytes than can be counted.
                let isCountable = !rank.multipliedReportingOverflow(by: 4 * max(rows, columns * matrices)).overflow
                guard let pattern = UInt32(exactly: bits), rank < 1 << 20, isCountable else {
                    throw UndoDirectory.Problem("\(place): a term has rank \(rank) and scale_bits \(bits)")
                }
                return UndoDirectory.Term(rank: rank, scale: Float(bitPattern: pattern), factors: try reader.items("factors", count: 2))
            }
            method = .subtraction(type, columns: columns, matrices: matrices, terms)
        case let method: throw UndoDirectory.Problem("\(place) is undone by '\(JSONError.excerpt(method))', which is unknown")
        }
    }
}

/// Members of an object of the directory, each checked.
private struct MemberReader {
    private let document: JSONValue
    private let place: String
    private let payloadByteCount: Int

    init(_ document: JSONValue, place: String, payloadByteCount: Int) {
        self.document = document
        self.place = place
        self.payloadByteCount = payloadByteCount
    }

    private func member(_ key: String) throws(UndoDirectory.Problem) -> JSONValue {
        guard let value = document[key] else { throw UndoDirectory.Problem("\(place) has no '\(key)'") }
        return value
    }

    func has(_ key: String) -> Bool { document[key] != nil }

    func isNull(_ key: String) throws(UndoDirectory.Problem) -> Bool { try member(key) == .null }

    func string(_ key: String) throws(UndoDirectory.Problem) -> String {
        guard let text = try member(key).string else { throw UndoDirectory.Problem("'\(key)' in \(place) is no text") }
        return text
    }

    func integer(_ key: String) throws(UndoDirectory.Problem) -> Int {
        guard let value = try member(key).integer else { throw UndoDirectory.Problem("'\(key)' in \(place) is no whole number") }
        return value
    }

    /// Not negative, and small enough that two of them never overflow when added or multiplied by a few bytes.
    func count(_ key: String) throws(UndoDirectory.Problem) -> Int {
        let value = try integer(key)
        guard (0...1 << 48).contains(value) else {
            throw UndoDirectory.Problem("'\(key)' in \(place) is \(value), which is no possible count")
        }
        return value
    }

    func fileName(_ key: String, where isAllowed: (String) -> Bool) throws(UndoDirectory.Problem) -> String {
        let name = try string(key)
        guard isAllowed(name) else { throw UndoDirectory.Problem("'\(JSONError.excerpt(name))' is no name of a file") }
        return name
    }

    func checksums(_ key: String) throws(UndoDirectory.Problem) -> [CRC32C] {
        let digits = Array(try string(key).utf8)
        let checksums = stride(from: 0, to: digits.count, by: 8).map { start in
            CRC32C(hexadecimal: String(decoding: digits[start..<min(start + 8, digits.count)], as: UTF8.self))
        }
        guard !checksums.contains(nil) else { throw UndoDirectory.Problem("'\(key)' in \(place) is no list of checksums") }
        return checksums.compactMap { $0 }
    }

    /// Streams inside of the payload, `count` of them.
    func items(_ key: String, count: Int) throws(UndoDirectory.Problem) -> UndoDirectory.Items {
        let reader = MemberReader(try member(key), place: "'\(key)'", payloadByteCount: payloadByteCount)
        let offset = try reader.count("at")
        guard let values = try reader.member("bytes").array?.map(\.integer), !values.contains(nil) else {
            throw UndoDirectory.Problem("'bytes' in '\(key)' is no list of whole numbers")
        }
        let byteCounts = values.compactMap { $0 }
        guard byteCounts.count == count else {
            throw UndoDirectory.Problem("'\(key)' lists \(byteCounts.count) streams, but \(count) are needed")
        }
        var end = offset
        for byteCount in byteCounts {
            guard byteCount > 0, byteCount <= payloadByteCount, end <= payloadByteCount - byteCount else {
                throw UndoDirectory.Problem("'\(key)' leads to byte \(end) of \(payloadByteCount), where \(byteCount) bytes are to lie")
            }
            end += byteCount
        }
        return UndoDirectory.Items(offset: offset, byteCounts: byteCounts)
    }

    func list<Element>(
        _ key: String, _ element: (MemberReader) throws(UndoDirectory.Problem) -> Element
    ) throws(UndoDirectory.Problem) -> [Element] {
        guard let values = try member(key).array else { throw UndoDirectory.Problem("'\(key)' in \(place) is no list") }
        var elements: [Element] = []
        for (index, value) in values.enumerated() {
            elements.append(try element(MemberReader(value, place: "'\(key)' \(index)", payloadByteCount: payloadByteCount)))
        }
        return elements
    }
}
