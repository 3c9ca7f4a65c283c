import TensorCore
import TestSupport

/// A small safetensors file of trusted origin, read whole. Test-only: checks nothing, a damaged file traps.
struct FixtureFile {
    struct Entry {
        let scalarType: ScalarType
        let shape: [Int]
        let bytes: [UInt8]
    }

    let tensors: [String: Entry]

    /// - Parameter name: in Tests/Fixtures/nf4.
    init(_ name: String) throws {
        let bytes = try Fixture.bytes(Fixture.path("nf4/\(name)"))
        let headerLength = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        var parser = FixtureHeader(text: bytes[8..<8 + headerLength])
        let data = bytes[(8 + headerLength)...]
        tensors = parser.parse().compactMapValues { field in
            guard let scalarType = ScalarType(rawValue: field.scalarType) else { return nil }
            let start = data.startIndex + field.offsets[0], end = data.startIndex + field.offsets[1]
            return Entry(scalarType: scalarType, shape: field.shape, bytes: Array(data[start..<end]))
        }
    }

    func entry(_ name: String) throws -> Entry {
        guard let entry = tensors[name] else { throw Missing(name: name) }
        return entry
    }

    struct Missing: Error {
        let name: String
    }

    func bytes(_ name: String) throws -> [UInt8] { try entry(name).bytes }

    func floats(_ name: String) throws -> [Float] { try FixtureFile.floats(bytes(name)) }

    static func floats(_ bytes: [UInt8]) -> [Float] {
        bytes.withUnsafeBytes { raw in
            (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }
}

/// The header the safetensors library writes: `{"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},...}`.
private struct FixtureHeader {
    struct Field {
        var scalarType = ""
        var shape: [Int] = []
        var offsets: [Int] = []
    }

    let text: ArraySlice<UInt8>
    var position: Int

    init(text: ArraySlice<UInt8>) {
        self.text = text
        position = text.startIndex
    }

    mutating func parse() -> [String: Field] {
        var fields: [String: Field] = [:]
        object { parser, name in
            var field = Field()
            parser.object { parser, key in
                switch key {
                case "dtype": field.scalarType = parser.string()
                case "shape": field.shape = parser.integers()
                case "data_offsets": field.offsets = parser.integers()
                default: _ = parser.string()
                }
            }
            if name != "__metadata__" { fields[name] = field }
        }
        return fields
    }

    private mutating func object(_ member: (inout FixtureHeader, String) -> Void) {
        repeat {
            position += 1
            guard text[position] != UInt8(ascii: "}") else { break }
            let key = string()
            position += 1
            member(&self, key)
        } while text[position] == UInt8(ascii: ",")
        position += 1
    }

    private mutating func string() -> String {
        var content: [UInt8] = []
        position += 1
        while text[position] != UInt8(ascii: "\"") {
            if text[position] == UInt8(ascii: "\\") { position += 1 }
            content.append(text[position])
            position += 1
        }
        position += 1
        return String(decoding: content, as: UTF8.self)
    }

    private mutating func integers() -> [Int] {
        let list = text[(position + 1)...].prefix { $0 != UInt8(ascii: "]") }
        position = list.endIndex + 1
        return String(decoding: list, as: UTF8.self).split(separator: ",").compactMap { Int($0) }
    }
}
