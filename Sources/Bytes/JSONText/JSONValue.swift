/// A number as it was written; converted only on demand, so that nothing is lost in passing it on.
package struct JSONNumber: Hashable, Sendable {
    package let literal: String

    init(literal: String) { self.literal = literal }

    package init(_ value: Int) { literal = String(value) }

    package init(_ value: UInt64) { literal = String(value) }

    /// The shortest decimal that reads back as the same `Double`, as Python's `repr` writes it.
    ///
    /// - Precondition: finite; JSON has no spelling for anything else.
    package init(_ value: Double) {
        precondition(value.isFinite, "JSON has no spelling for \(value)")
        literal = pythonRepresentation(of: value)
    }

    /// How Python's json spells what no JSON can say.
    static let notFinite = ["NaN", "Infinity", "-Infinity"]

    /// Nil where the literal has a fraction or an exponent, is out of range, or is a negative zero, which no `Int` is.
    package var integer: Int? { literal == "-0" ? nil : Int(literal) }

    /// The nearest `Double`; infinite where the literal exceeds it.
    package var double: Double { Double(literal) ?? .nan }
}

/// An ordered set of members; keys are compared by their bytes, not by Unicode equivalence.
package struct JSONObject: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        package let key: String
        package var value: JSONValue
    }

    package private(set) var members: [Member] = []
    private var positions: [ByteKey: Int] = [:]

    package init() {}

    package init(_ members: KeyValuePairs<String, JSONValue>) {
        for (key, value) in members { self[key] = value }
    }

    /// The value of a member; setting appends a new key at the end, replaces in place, or removes with nil.
    package subscript(key: String) -> JSONValue? {
        get { positions[ByteKey(key)].map { members[$0].value } }
        set {
            let position = positions[ByteKey(key)]
            switch (position, newValue) {
            case (let position?, let value?): members[position].value = value
            case (nil, let value?):
                positions[ByteKey(key)] = members.count
                members.append(Member(key: key, value: value))
            case (let position?, nil):
                members.remove(at: position)
                positions = [:]
                for (index, member) in members.enumerated() { positions[ByteKey(member.key)] = index }
            case (nil, nil): break
            }
        }
    }

    package static func == (a: JSONObject, b: JSONObject) -> Bool { a.members == b.members }

    package func hash(into hasher: inout Hasher) { hasher.combine(members) }
}

/// A string as a key: equal where the UTF-8 bytes are.
///
/// The hash is taken once: a set of 100,000 names that grows would otherwise read all of them again and again.
package struct ByteKey: Hashable, Sendable {
    package let text: String
    private let bytesHash: Int

    package init(_ text: String) {
        var text = text
        var hasher = Hasher()
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        self.text = text
        bytesHash = hasher.finalize()
    }

    package static func == (a: ByteKey, b: ByteKey) -> Bool {
        a.bytesHash == b.bytesHash && a.text.utf8.elementsEqual(b.text.utf8)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(bytesHash) }
}

/// Any JSON value.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// Parses a whole text: one value, nothing after it. A key that stands twice in an object is refused.
    ///
    /// - Parameter takesPythonNumbers: `NaN`, `Infinity` and `-Infinity` are numbers, as Python's json writes and reads them.
    package init(parsing bytes: [UInt8], takesPythonNumbers: Bool = false) throws(JSONError) {
        var scanner = JSONScanner(bytes, takesPythonNumbers: takesPythonNumbers)
        self = try JSONValue(from: &scanner)
        try scanner.expectEnd()
    }

    /// Reads the scanner's next value.
    package init(from scanner: inout JSONScanner) throws(JSONError) {
        switch try scanner.peekKind() {
        case .null:
            try scanner.readNull()
            self = .null
        case .bool: self = .bool(try scanner.readBool())
        case .number: self = .number(try scanner.readNumber())
        case .string: self = .string(try scanner.readString())
        case .array:
            var elements: [JSONValue] = []
            try scanner.readArray { (scanner) throws(JSONError) in elements.append(try JSONValue(from: &scanner)) }
            self = .array(elements)
        case .object:
            var object = JSONObject()
            try scanner.readObject { (scanner, key, offset) throws(JSONError) in
                guard object[key] == nil else {
                    throw JSONError(offset: offset, "key '\(JSONError.excerpt(key))' stands here for the second time")
                }
                object[key] = try JSONValue(from: &scanner)
            }
            self = .object(object)
        }
    }

    package static func integer(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }

    /// A number, or null where the value is not finite.
    package static func double(_ value: Double) -> JSONValue { value.isFinite ? .number(JSONNumber(value)) : .null }

    package static func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue { .object(JSONObject(members)) }

    package static func strings(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var integer: Int? { if case .number(let value) = self { value.integer } else { nil } }
    package var double: Double? { if case .number(let value) = self { value.double } else { nil } }
    package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The same with numbers that are not finite as strings, so that any reader of JSON takes it.
    package var withFiniteNumbers: JSONValue {
        switch self {
        case .number(let number) where JSONNumber.notFinite.contains(number.literal): return .string(number.literal)
        case .array(let values): return .array(values.map(\.withFiniteNumbers))
        case .object(let object):
            var result = JSONObject()
            for member in object.members { result[member.key] = member.value.withFiniteNumbers }
            return .object(result)
        default: return self
        }
    }

    /// The member of an object; nil for anything else.
    package subscript(key: String) -> JSONValue? { object?[key] }
}
