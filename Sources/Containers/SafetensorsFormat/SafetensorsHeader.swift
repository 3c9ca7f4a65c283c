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
    /// In the order of their data; several empty tensors at one offset in the order of the header.
    package let tensors: [TensorInfo]
    /// First byte of each tensor, from the start of the data section.
    package let dataOffsets: [Int]
    /// Bytes of the data section.
    package let dataByteCount: Int

    /// The reference implementation refuses longer headers, so nobody else could read them.
    package static let byteCountLimit = 100_000_000

    /// Parses the JSON part. Errors name byte offsets in the file, of which the JSON begins at byte 8.
    package init(parsing json: [UInt8], path: String) throws(FileError) {
        guard let first = json.first else { throw FileError(path, at: "byte 0", "the header length is 0, but '{}' is the shortest header") }
        guard first == UInt8(ascii: "{") else {
            throw FileError(path, at: "byte 8", "the header begins with byte \(first), but '{' (byte 123) is expected")
        }
        var parser = HeaderParser()
        do {
            var scanner = JSONScanner(json)
            try parser.parse(&scanner)
            try scanner.expectEnd()
        } catch {
            throw FileError(path, at: "byte \(8 + error.offset)", error.message)
        }
        if let problem = parser.problem { throw FileError(path, at: Self.place(problem.name), problem.message) }
        metadata = parser.metadata
        let found = parser.takeEntries()
        // An empty tensor comes before the one that begins where it lies, wherever the header lists the two.
        let order = found.indices.sorted {
            let (a, b) = (found[$0], found[$1])
            return (a.dataOffset, a.info.byteCount, $0) < (b.dataOffset, b.info.byteCount, $1)
        }
        tensors = order.map { found[$0].info }
        dataOffsets = order.map { found[$0].dataOffset }
        dataByteCount = try Self.checkContiguous(tensors, dataOffsets, path: path)
    }

    /// Tensors with their places, in the order of their data.
    package var entries: [Entry] { zip(tensors, dataOffsets).map { Entry(info: $0, dataOffset: $1) } }

    /// Every tensor begins where the one before it ends; returns the end of the last.
    private static func checkContiguous(_ tensors: [TensorInfo], _ offsets: [Int], path: String) throws(FileError) -> Int {
        var end = 0
        for (index, info) in tensors.enumerated() {
            let offset = offsets[index]
            if offset != end {
                let previous = index == 0 ? "the data begins at 0" : "\(place(tensors[index - 1].name)) ends at \(end)"
                let relation = offset < end ? "overlap" : "leave a gap"
                throw FileError(path, at: place(info.name), "data_offsets \(relation): it begins at \(offset), but \(previous)")
            }
            // The parser has compared this sum with the second of the data_offsets.
            end = offset + info.byteCount
        }
        return end
    }

    private static func place(_ name: String) -> String { "tensor '\(JSONError.excerpt(name))'" }
}
