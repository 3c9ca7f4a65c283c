package import ByteIO
import JSONText
package import TensorCore

/// The header of a safetensors file, validated completely.
///
///      0         8                     8 + N                                    file end
///      +---------+---------------------+----------------------------------------+
///      | N (u64, | JSON object, UTF-8, | data of all tensors, without gaps,     |
///      | little) | N bytes, may end in | in the order of their data_offsets     |
///      |         | spaces              |                                        |
///      +---------+---------------------+----------------------------------------+
///      {"__metadata__": {"format": "pt"},
///       "wte.weight": {"dtype": "F32", "shape": [50257, 768], "data_offsets": [0, 154389504]}, ...}
///
/// `data_offsets` count from the start of the data, end exclusive.
package struct SafetensorsHeader: Sendable {
    package struct Entry: Hashable, Sendable {
        package let info: TensorInfo
        /// First byte of the tensor, from the start of the data section.
        package let dataOffset: Int
    }

    /// Strings of `__metadata__`, in the order of the file.
    package let metadata: [(key: String, value: String)]
    /// In the order of their data; empty tensors at the same offset in the order of the header.
    package let entries: [Entry]
    /// Bytes of the data section.
    package let dataByteCount: Int

    /// The reference implementation refuses longer headers, so nobody else could read them.
    package static let byteCountLimit = 100_000_000

    /// Parses the JSON part. Errors name byte offsets in the file, of which the JSON begins at byte 8.
    package init(parsing json: [UInt8], path: String) throws(FileError) {
        guard json.first == UInt8(ascii: "{") else {
            throw FileError(path, at: "byte 8", "the header begins with byte \(json.first ?? 0), but '{' is expected")
        }
        var parser = HeaderParser()
        do {
            var scanner = JSONScanner(json)
            try parser.parse(&scanner)
            try scanner.expectEnd()
        } catch {
            throw FileError(path, at: "byte \(8 + error.offset)", error.message)
        }
        if let problem = parser.problem { throw FileError(path, at: "tensor '\(problem.name)'", problem.message) }
        metadata = parser.metadata
        let order = parser.entries.indices.sorted {
            (parser.entries[$0].dataOffset, $0) < (parser.entries[$1].dataOffset, $1)
        }
        entries = order.map { parser.entries[$0] }
        dataByteCount = try Self.checkContiguous(entries, path: path)
    }

    /// Every tensor begins where the one before it ends; returns the end of the last.
    private static func checkContiguous(_ entries: [Entry], path: String) throws(FileError) -> Int {
        var end = 0
        for (index, entry) in entries.enumerated() {
            if entry.dataOffset != end {
                let previous = index == 0 ? "the data begins at 0" : "'\(entries[index - 1].info.name)' ends at \(end)"
                let relation = entry.dataOffset < end ? "overlap" : "leave a gap"
                throw FileError(
                    path, at: "tensor '\(entry.info.name)'", "data_offsets \(relation): it begins at \(entry.dataOffset), but \(previous)")
            }
            end = entry.dataOffset + entry.info.byteCount
        }
        return end
    }
}

/// Collects the members of the header's object.
private struct HeaderParser {
    struct Problem {
        let name: String
        let message: String
    }

    var metadata: [(key: String, value: String)] = []
    var entries: [SafetensorsHeader.Entry] = []
    /// The first tensor whose description is well-formed JSON but makes no sense.
    var problem: Problem?
    private var names: Set<ByteKey> = []

    mutating func parse(_ scanner: inout JSONScanner) throws(JSONError) {
        var parser = self
        try scanner.readObject { (scanner, key, offset) throws(JSONError) in
            guard parser.names.insert(ByteKey(key)).inserted else {
                throw JSONError(offset: offset, "'\(key)' stands in the header for the second time")
            }
            if key == "__metadata__" {
                try parser.parseMetadata(&scanner)
            } else {
                try parser.parseTensor(named: key, &scanner, offset: offset)
            }
        }
        self = parser
    }

    private mutating func parseMetadata(_ scanner: inout JSONScanner) throws(JSONError) {
        var keys: Set<ByteKey> = []
        var members: [(key: String, value: String)] = []
        try scanner.readObject { (scanner, key, offset) throws(JSONError) in
            guard keys.insert(ByteKey(key)).inserted else {
                throw JSONError(offset: offset, "'\(key)' stands in __metadata__ for the second time")
            }
            members.append((key, try scanner.readString()))
        }
        metadata = members
    }

    private mutating func parseTensor(named name: String, _ scanner: inout JSONScanner, offset: Int) throws(JSONError) {
        var typeName: String?
        var dimensions: [Int]?
        var offsets: [Int]?
        try scanner.readObject { (scanner, key, offset) throws(JSONError) in
            let isRepeated =
                switch key {
                case "dtype": typeName != nil
                case "shape": dimensions != nil
                case "data_offsets": offsets != nil
                default: false
                }
            guard !isRepeated else { throw JSONError(offset: offset, "'\(key)' stands in tensor '\(name)' for the second time") }
            switch key {
            case "dtype": typeName = try scanner.readString()
            case "shape": dimensions = try Self.integers(&scanner)
            case "data_offsets": offsets = try Self.integers(&scanner)
            default: try scanner.skipValue()
            }
        }
        guard let typeName, let dimensions, let offsets else {
            let missing = typeName == nil ? "dtype" : dimensions == nil ? "shape" : "data_offsets"
            throw JSONError(offset: offset, "tensor '\(name)' has no '\(missing)'")
        }
        guard problem == nil else { return }
        switch Self.entry(name: name, typeName: typeName, dimensions: dimensions, offsets: offsets) {
        case .success(let entry): entries.append(entry)
        case .failure(let failure): problem = Problem(name: name, message: failure.message)
        }
    }

    private struct Refusal: Error {
        let message: String
        init(_ message: String) { self.message = message }
    }

    private static func entry(
        name: String, typeName: String, dimensions: [Int], offsets: [Int]
    ) -> Result<SafetensorsHeader.Entry, Refusal> {
        guard let scalarType = ScalarType(rawValue: typeName) else { return .failure(Refusal("dtype '\(typeName)' is unknown")) }
        guard let shape = Shape(dimensions), let info = TensorInfo(name: name, scalarType: scalarType, shape: shape) else {
            return .failure(Refusal("shape \(dimensions) of \(typeName) is no possible size"))
        }
        guard offsets.count == 2 else { return .failure(Refusal("data_offsets has \(offsets.count) numbers, but 2 are needed")) }
        guard offsets[0] >= 0, offsets[1] >= offsets[0] else {
            return .failure(Refusal("data_offsets \(offsets) end before they begin"))
        }
        guard offsets[1] - offsets[0] == info.byteCount else {
            return .failure(
                Refusal("shape \(shape) of \(typeName) is \(info.byteCount) bytes, but data_offsets span \(offsets[1] - offsets[0])"))
        }
        return .success(SafetensorsHeader.Entry(info: info, dataOffset: offsets[0]))
    }

    private static func integers(_ scanner: inout JSONScanner) throws(JSONError) -> [Int] {
        var values: [Int] = []
        try scanner.readArray { (scanner) throws(JSONError) in values.append(try scanner.readInteger()) }
        return values
    }
}
