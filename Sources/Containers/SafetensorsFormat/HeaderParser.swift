import JSONText
import TensorCore

/// Collects the members of the header's object.
struct HeaderParser {
    struct Problem {
        let name: String
        let message: String
    }

    var metadata: [(key: String, value: String)] = []
    private var entries: [SafetensorsHeader.Entry] = []
    /// The first tensor whose description is well-formed JSON but makes no sense.
    var problem: Problem?
    private var names: Set<ByteKey> = []
    private var lastDimensions: [Int] = []

    mutating func parse(_ scanner: inout JSONScanner) throws(JSONError) {
        try scanner.readObject { (scanner, key, offset) throws(JSONError) in
            guard names.insert(ByteKey(key)).inserted else {
                throw JSONError(offset: offset, "'\(JSONError.excerpt(key))' stands in the header for the second time")
            }
            if key == "__metadata__" {
                try parseMetadata(&scanner)
            } else {
                try parseTensor(named: key, &scanner, offset: offset)
            }
        }
    }

    /// What was found, in the order of the header; gives back the memory of the names.
    mutating func takeEntries() -> [SafetensorsHeader.Entry] {
        defer { (entries, names) = ([], []) }
        return entries
    }

    /// `null` is no metadata, to the reference as well.
    private mutating func parseMetadata(_ scanner: inout JSONScanner) throws(JSONError) {
        if try scanner.peekKind() == .null { return try scanner.readNull() }
        var keys: Set<ByteKey> = []
        var members: [(key: String, value: String)] = []
        try scanner.readObject { (scanner, key, offset) throws(JSONError) in
            guard keys.insert(ByteKey(key)).inserted else {
                throw JSONError(offset: offset, "'\(JSONError.excerpt(key))' stands in __metadata__ for the second time")
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
            guard !isRepeated else {
                throw JSONError(offset: offset, "'\(key)' stands in tensor '\(JSONError.excerpt(name))' for the second time")
            }
            switch key {
            case "dtype": typeName = try scanner.readString()
            case "shape": dimensions = try Self.integers(&scanner)
            case "data_offsets": offsets = try Self.integers(&scanner)
            default: try scanner.skipValue()
            }
        }
        guard let typeName, let dimensions, let offsets else {
            let missing = typeName == nil ? "dtype" : dimensions == nil ? "shape" : "data_offsets"
            throw JSONError(offset: offset, "tensor '\(JSONError.excerpt(name))' has no '\(missing)'")
        }
        guard problem == nil else { return }
        // Tensors often have the shape of the one before; they then share one array of dimensions.
        if dimensions != lastDimensions { lastDimensions = dimensions }
        switch Self.entry(name: name, typeName: typeName, dimensions: lastDimensions, offsets: offsets) {
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
        guard let scalarType = ScalarType(rawValue: typeName) else {
            return .failure(Refusal("dtype '\(JSONError.excerpt(typeName))' is unknown"))
        }
        if let dimension = dimensions.first(where: { $0 < 0 }) {
            return .failure(Refusal("shape \(dimensions) has a dimension of \(dimension)"))
        }
        guard let shape = Shape(dimensions) else {
            return .failure(Refusal("shape \(dimensions) has more elements than can be counted (2^63 or more)"))
        }
        guard let info = TensorInfo(name: name, scalarType: scalarType, shape: shape) else {
            let (bitCount, overflow) = shape.elementCount.multipliedReportingOverflow(by: scalarType.bitCount)
            return .failure(
                Refusal("shape \(shape) of \(typeName) is \(overflow ? "2^63 bits or more" : "\(bitCount) bits, no whole number of bytes")")
            )
        }
        guard offsets.count == 2 else { return .failure(Refusal("data_offsets \(offsets) are \(offsets.count) numbers, but must be 2")) }
        guard offsets[0] >= 0 else { return .failure(Refusal("data_offsets \(offsets) begin before the data")) }
        guard offsets[1] >= offsets[0] else { return .failure(Refusal("data_offsets \(offsets) end before they begin")) }
        guard offsets[1] - offsets[0] == info.byteCount else {
            return .failure(
                Refusal("shape \(shape) of \(typeName) is \(info.byteCount) bytes, but data_offsets span \(offsets[1] - offsets[0])"))
        }
        return .success(SafetensorsHeader.Entry(info: info, dataOffset: offsets[0]))
    }

    /// Numbers of a shape or of data_offsets: not more of them than a shape can have.
    private static func integers(_ scanner: inout JSONScanner) throws(JSONError) -> [Int] {
        var values: [Int] = []
        try scanner.readArray { (scanner) throws(JSONError) in
            guard values.count < Shape.rankLimit else {
                throw JSONError(offset: scanner.offset, "there are more than \(Shape.rankLimit) numbers here")
            }
            values.append(try scanner.readInteger())
        }
        return values
    }
}
