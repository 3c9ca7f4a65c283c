import JSONText

/// Changes one value of a JSON document, so that it stays JSON.
struct JSONMutation {
    private var generator: Generator
    private let words: [String]

    private static let numbers = [
        0, 1, -1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 4096, 65_536, 1 << 24, 1 << 31, 1 << 32, 1 << 53,
        1 << 60, 1 << 61, 1 << 62, .max - 1, .max, .min,
    ]

    /// - Parameter words: strings to put in, beside those of the document. Pieces of JSON among them are left to libFuzzer.
    init(seed: UInt64, words: [String]) {
        generator = Generator(state: seed)
        self.words = words.filter { !$0.contains("\"") }
    }

    /// True once in `count` times.
    mutating func chance(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &generator) == 0 }

    mutating func pick<Element>(_ elements: [Element]) -> Element? { elements.randomElement(using: &generator) }

    /// The document with one of its values changed.
    mutating func mutate(_ document: JSONValue) -> JSONValue {
        var target = Int.random(in: 0..<Self.count(document), using: &generator)
        let donor = pick(Self.strings(document) + words) ?? ""
        return change(document, &target, donor)
    }

    /// Walks to the value of number `target`, in the order of the text, and changes that.
    private mutating func change(_ value: JSONValue, _ target: inout Int, _ donor: String) -> JSONValue {
        guard target > 0 else {
            target = -1
            return changed(value, donor)
        }
        target -= 1
        switch value {
        case .array(let elements):
            return .array(elements.map { target < 0 ? $0 : change($0, &target, donor) })
        case .object(let object):
            var result = object
            for member in object.members where target >= 0 { result[member.key] = change(member.value, &target, donor) }
            return .object(result)
        default: return value
        }
    }

    private mutating func changed(_ value: JSONValue, _ donor: String) -> JSONValue {
        if chance(12) { return pick([.null, .bool(true), .integer(0), .string(donor), .array([]), .object([:])]) ?? .null }
        switch value {
        case .null, .bool: return .integer(pick(Self.numbers) ?? 0)
        case .number(let number):
            let integer = number.integer ?? 0
            let others = Self.numbers + [integer &+ 1, integer &- 1, integer &* 2, integer / 2, 0 &- integer]
            return chance(10) ? .double(Double.random(in: -1e40...1e40, using: &generator)) : .integer(pick(others) ?? 0)
        case .string(let string): return .string(changed(string, donor))
        case .array(let elements): return .array(changed(elements))
        case .object(let object): return .object(changed(object, donor))
        }
    }

    private mutating func changed(_ string: String, _ donor: String) -> String {
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: string + donor
        case 1: String(string.unicodeScalars.dropLast())
        case 2: string + (pick(["\u{301}", "/", "\0", "..", "é", "e\u{301}", "\u{212a}", " "]) ?? "")
        case 3: donor + (pick(["/\u{301}", "/", "../"]) ?? "") + string
        default: donor
        }
    }

    private mutating func changed(_ elements: [JSONValue]) -> [JSONValue] {
        var result = elements
        switch Int.random(in: 0..<4, using: &generator) {
        case 0 where !elements.isEmpty: result.remove(at: Int.random(in: 0..<elements.count, using: &generator))
        case 1: result.append(pick(elements) ?? .integer(1))
        case 2: result.shuffle(using: &generator)
        default: result.append(.integer(pick(Self.numbers) ?? 0))
        }
        return result
    }

    private mutating func changed(_ object: JSONObject, _ donor: String) -> JSONObject {
        var result = object
        guard let member = pick(object.members) else {
            result[donor] = .integer(1)
            return result
        }
        let name = chance(2) ? donor : changed(member.key, donor)
        if chance(2) { result[member.key] = nil }
        if !chance(3) { result[name] = member.value }
        return result
    }

    private static func count(_ value: JSONValue) -> Int {
        switch value {
        case .array(let elements): elements.reduce(1) { $0 + count($1) }
        case .object(let object): object.members.reduce(1) { $0 + count($1.value) }
        default: 1
        }
    }

    private static func strings(_ value: JSONValue) -> [String] {
        switch value {
        case .string(let string): [string]
        case .array(let elements): elements.flatMap(strings)
        case .object(let object): object.members.flatMap { [$0.key] + strings($0.value) }
        default: []
        }
    }
}

/// SplitMix64: the same seed gives the same changes.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
