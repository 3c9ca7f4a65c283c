import JSONText
import TensorCore

/// The header of a safetensors file as JSON, whatever it says, and the bytes that each name has had.
struct HeaderLayout {
    var document: JSONValue
    private(set) var data: [UInt8]
    private var bytes: [ByteKey: [UInt8]] = [:]

    private static let dataByteCountLimit = 1 << 16

    init(_ document: JSONValue, data: [UInt8]) {
        self.document = document
        self.data = data
        for member in document.object?.members ?? [] {
            guard let range = member.value["data_offsets"]?.array?.compactMap(\.integer), range.count == 2, range[0] >= 0,
                range[0] <= range[1], range[1] <= data.count
            else { continue }
            bytes[ByteKey(member.key)] = Array(data[range[0]..<range[1]])
        }
        if data.isEmpty { arrange() }
    }

    /// Lets tensors follow one another without gaps, each with the bytes that its type and shape ask for.
    mutating func arrange() {
        guard var object = document.object else { return }
        var end = 0
        var arranged: [UInt8] = []
        for member in object.members {
            guard let tensor = member.value.object, let type = tensor["dtype"]?.string.flatMap(ScalarType.init(rawValue:)),
                let shape = tensor["shape"]?.array.flatMap({ Shape($0.compactMap(\.integer)) }),
                let byteCount = type.byteCount(elementCount: shape.elementCount), byteCount <= Self.dataByteCountLimit - end
            else { continue }
            var placed = tensor
            placed["data_offsets"] = .array([.integer(end), .integer(end + byteCount)])
            object[member.key] = .object(placed)
            let old = bytes[ByteKey(member.key)] ?? []
            arranged += old.prefix(byteCount) + [UInt8](repeating: 0, count: max(0, byteCount - old.count))
            end += byteCount
        }
        document = .object(object)
        data = arranged
    }

    /// Changes one of the quant states, which are JSON themselves.
    mutating func mutateState(_ mutation: inout JSONMutation) {
        let names = (document.object?.members ?? []).map(\.key).filter { $0.contains(".quant_state.") }
        guard let name = mutation.pick(names), let text = bytes[ByteKey(name)], let state = try? JSONValue(parsing: text),
            var object = document.object, var tensor = object[name]?.object
        else { return }
        let changed = Array(mutation.mutate(state).text(.python).utf8)
        bytes[ByteKey(name)] = changed
        tensor["shape"] = .array([.integer(changed.count)])
        object[name] = .object(tensor)
        document = .object(object)
    }
}
