/// `a.b.0`, as filters take it: members or elements, from the left.
struct AttributePath {
    private let parts: [Value]

    init(_ attribute: Value, _ machine: Machine) throws(Fault) {
        switch attribute {
        case .none: parts = []
        case .string(let path):
            try machine.budget.spend(bytes: path.byteCount * 32)
            parts = path.pieces(separatedBy: UInt8(ascii: ".")).map { part in
                let isIndex = !part.isEmpty && part.bytes.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
                return isIndex ? Int(part.text).map { .integer($0) } ?? .string(part) : .string(part)
            }
        default: parts = [attribute]
        }
    }

    func value(in object: Value, _ machine: Machine, standard: Value? = nil) throws(Fault) -> Value {
        var value = object
        for part in parts {
            try machine.budget.step()
            value = try machine.element(part, of: value)
            if value.isUndefined, let standard { value = standard }
        }
        return value
    }
}
