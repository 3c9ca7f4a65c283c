import CommandLineKit
import GGUFFormat
import JSONText

/// What `qinspect metadata` tells of a GGUF file.
struct GGUFDescription {
    private let source: GGUFSource

    /// Characters of a value that are shown.
    private static let textLimit = 72
    /// Items of an array that are looked at to show the first ones: more than fit.
    private static let shownItemLimit = 40
    /// Items of an array in a JSON document at most.
    private static let documentItemLimit = 1 << 20

    init(_ source: GGUFSource) { self.source = source }

    private var header: GGUFHeader { source.parts[0].header }

    private var byteOrder: String { header.byteOrder == .little ? "little-endian" : "big-endian" }

    var summary: String {
        let keys = source.metadata.entries.count
        return "version \(header.version), \(byteOrder), alignment \(header.alignment), \(keys) \(keys == 1 ? "key" : "keys")"
    }

    func table() throws -> Table {
        var table = Table([.init("key"), .init("type"), .init("value")])
        for entry in source.metadata.entries {
            let count = entry.value.array.map { "[\($0.count)]" } ?? ""
            let type = entry.value.array.map { "\($0.itemType)" } ?? entry.value.typeName
            table.addRow([.init(entry.key), .init(type + count), .init(Self.cut(try Self.text(entry.value)))])
        }
        return table
    }

    var document: JSONValue {
        get throws {
            .object([
                "version": .integer(header.version), "byte_order": .string(byteOrder), "alignment": .integer(header.alignment),
                "keys": .array(
                    try source.metadata.entries.map { entry in
                        var object = JSONObject(["key": .string(entry.key), "type": .string("\(entry.value.type)")])
                        if let array = entry.value.array {
                            object["items"] = .string("\(array.itemType)")
                            object["count"] = .integer(array.count)
                        }
                        object["value"] = try Self.json(entry.value)
                        return .object(object)
                    }),
            ])
        }
    }

    private static func cut(_ text: String) -> String {
        text.count > textLimit ? String(text.prefix(textLimit)) + "..." : text
    }

    /// A value as it is shown, longer than there is room for where it is cut.
    private static func text(_ value: GGUFValue) throws -> String {
        switch value {
        case .string(let text): return String(text.prefix(textLimit + 1))
        case .array(let array):
            var text = "["
            for (index, item) in try array.values(limit: shownItemLimit).enumerated() {
                if index > 0 { text += ", " }
                text += try quoted(item)
                guard text.count <= textLimit else { return text }
            }
            return text + (array.count > shownItemLimit ? ", ...]" : "]")
        default: return try json(value).text(.compact)
        }
    }

    /// Strings in an array have their quotes: what they begin and end with is often a space.
    private static func quoted(_ item: GGUFValue) throws -> String {
        guard case .string(let text) = item else { return try self.text(item) }
        return JSONValue.string(String(text.prefix(textLimit + 1))).text(.compact)
    }

    private static func json(_ value: GGUFValue) throws -> JSONValue {
        switch value {
        case .bool(let value): return .bool(value)
        case .string(let text): return .string(text)
        // The shortest decimal that is this float, not the one of the double next to it.
        case .f32(let value): return .double(Double("\(value)") ?? .nan)
        case .f64(let value): return .double(value)
        case .u64(let value): return .number(JSONNumber(value))
        case .array(let array): return .array(try array.values(limit: documentItemLimit).map(json))
        case .u8, .i8, .u16, .i16, .u32, .i32, .i64: return .integer(value.integer ?? 0)
        }
    }
}
