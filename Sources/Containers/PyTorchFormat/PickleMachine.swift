import ByteIO

/// Runs a pickle without Python: a stack, a memo, and opcodes that put values together.
///
/// Nothing is looked up, imported or called. GLOBAL puts down a name, REDUCE and NEWOBJ a record of a call, BUILD drops the state that it
/// would have set. Protocols 0 to 5; opcodes that no file of PyTorch has, and that mean something outside of it, are refused.
/// Source: Lib/pickletools.py of Python.
struct PickleMachine {
    private var cursor: PickleCursor
    private(set) var heap: PickleHeap
    private var stack: [PickleValue] = []
    /// Heights of the stack at which marks stand.
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]

    init(_ cursor: PickleCursor, heap: PickleHeap = PickleHeap()) {
        self.cursor = cursor
        self.heap = heap
    }

    /// Of the byte after the last one that was read.
    var offset: Int { cursor.offset }

    /// The value that the pickle ends with. The next pickle of the file can be run then.
    mutating func run() throws(FileError) -> PickleValue {
        (stack, marks, memo) = ([], [], [:])
        while true {
            let place = cursor.offset
            let code = try cursor.byte()
            if code == UInt8(ascii: ".") { return try pop(place) }
            try perform(code, at: place)
        }
    }

    private mutating func perform(_ code: UInt8, at place: Int) throws(FileError) {
        switch code {
        case 0x80:
            let version = try cursor.byte()
            guard version <= 5 else { throw cursor.failure("is a pickle of protocol \(version); those up to 5 are known", at: place) }
        case 0x95: _ = try cursor.number(8)
        case ascii("("): marks.append(stack.count)
        case ascii("0"): _ = try pop(place)
        case ascii("1"): _ = try popToMark(place)
        case ascii("2"): stack.append(try top(place))
        case ascii("N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case ascii("K"): stack.append(.integer(Int(try cursor.byte())))
        case ascii("M"): stack.append(.integer(Int(try cursor.number(2))))
        case ascii("J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try cursor.number(4)))))
        case ascii("I"): stack.append(try lineInteger(place))
        case ascii("L"): stack.append(try lineLong(place))
        case 0x8a: stack.append(integer(try cursor.run(UInt64(try cursor.byte()))))
        case 0x8b: stack.append(integer(try cursor.run(try cursor.number(4))))
        case ascii("G"): stack.append(.real(Double(bitPattern: try cursor.number(8).byteSwapped)))
        case ascii("F"):
            guard let value = Double(String(decoding: try cursor.line(), as: UTF8.self)) else {
                throw cursor.failure("is no number", at: place)
            }
            stack.append(.real(value))
        case ascii("X"): stack.append(try text(try cursor.number(4), place))
        case 0x8c: stack.append(try text(UInt64(try cursor.byte()), place))
        case 0x8d: stack.append(try text(try cursor.number(8), place))
        case ascii("V"), ascii("S"): stack.append(try lineText(place))
        case ascii("T"): stack.append(latin(try cursor.run(try cursor.number(4))))
        case ascii("U"): stack.append(latin(try cursor.run(UInt64(try cursor.byte()))))
        case ascii("B"): stack.append(try bytes(try cursor.number(4)))
        case ascii("C"): stack.append(try bytes(UInt64(try cursor.byte())))
        case 0x8e, 0x96: stack.append(try bytes(try cursor.number(8)))
        default: try performOnObjects(code, at: place)
        }
    }

    private mutating func performOnObjects(_ code: UInt8, at place: Int) throws(FileError) {
        switch code {
        case ascii("}"): try push(.dictionary, at: place)
        case ascii("]"), 0x8f: try push(.list, at: place)
        case ascii(")"): try push(.tuple, at: place)
        case ascii("t"): try push(.tuple, try popToMark(place), at: place)
        case 0x85, 0x86, 0x87:
            var items: [PickleValue] = []
            for _ in 0..<Int(code - 0x84) { items.append(try pop(place)) }
            try push(.tuple, items.reversed(), at: place)
        case ascii("l"), 0x91: try push(.list, try popToMark(place), at: place)
        case ascii("d"): try push(.dictionary, items: try items(of: try popToMark(place), place), at: place)
        case ascii("a"):
            let value = try pop(place)
            try extend(try top(place), [value], place)
        case ascii("e"), 0x90:
            let values = try popToMark(place)
            try extend(try top(place), values, place)
        case ascii("s"):
            let value = try pop(place), key = try pop(place)
            try fill(try top(place), [PickleItem(key: key, value: value)], place)
        case ascii("u"):
            let items = try items(of: try popToMark(place), place)
            try fill(try top(place), items, place)
        case ascii("c"):
            let module = String(decoding: try cursor.line(), as: UTF8.self)
            try push(.global(module + "." + String(decoding: try cursor.line(), as: UTF8.self)), at: place)
        case 0x93:
            guard case .text(let name) = try pop(place), case .text(let module) = try pop(place) else {
                throw cursor.failure("names a global by values that are no text", at: place)
            }
            try push(.global(module + "." + name), at: place)
        case ascii("R"), 0x81:
            let arguments = try pop(place), function = try pop(place)
            try push(.record, [function, arguments], at: place)
        case 0x92:
            _ = try pop(place)
            let arguments = try pop(place), function = try pop(place)
            try push(.record, [function, arguments], at: place)
        case ascii("b"): _ = try pop(place)
        case ascii("Q"): try push(.persistent, [try pop(place)], at: place)
        default: try performOnMemo(code, at: place)
        }
    }

    private mutating func performOnMemo(_ code: UInt8, at place: Int) throws(FileError) {
        switch code {
        case ascii("q"): memo[Int(try cursor.byte())] = try top(place)
        case ascii("r"): memo[Int(try cursor.number(4))] = try top(place)
        case ascii("p"): memo[try lineNumber(place)] = try top(place)
        case 0x94: memo[memo.count] = try top(place)
        case ascii("h"): stack.append(try remembered(Int(try cursor.byte()), place))
        case ascii("j"): stack.append(try remembered(Int(try cursor.number(4)), place))
        case ascii("g"): stack.append(try remembered(try lineNumber(place), place))
        case ascii("P"), ascii("i"), ascii("o"), 0x82...0x84, 0x97, 0x98:
            throw cursor.failure("opcode \(code) of the pickle is none that PyTorch writes, and is not followed", at: place)
        default:
            throw cursor.failure("\(code) is no opcode of a pickle", at: place, hint: "the file is damaged; fetch it again")
        }
        guard memo.count <= PickleHeap.countLimit else {
            throw cursor.failure("the pickle remembers more than \(PickleHeap.countLimit) values", at: place)
        }
    }

    private func ascii(_ character: Unicode.Scalar) -> UInt8 { UInt8(ascii: character) }

    // MARK: - The stack

    private mutating func pop(_ place: Int) throws(FileError) -> PickleValue {
        guard stack.count > (marks.last ?? 0), let value = stack.popLast() else {
            throw cursor.failure("the pickle takes a value from an empty stack", at: place)
        }
        return value
    }

    private func top(_ place: Int) throws(FileError) -> PickleValue {
        guard stack.count > (marks.last ?? 0), let value = stack.last else {
            throw cursor.failure("the pickle looks for a value on an empty stack", at: place)
        }
        return value
    }

    private mutating func popToMark(_ place: Int) throws(FileError) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw cursor.failure("the pickle looks for a mark that it never set", at: place) }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func push(
        _ kind: PickleObject.Kind, _ values: [PickleValue] = [], items: [PickleItem] = [], at place: Int
    ) throws(FileError) {
        guard let value = heap.insert(PickleObject(kind: kind, values: values, items: items)) else {
            throw cursor.failure("the pickle has more than \(PickleHeap.countLimit) objects", at: place)
        }
        stack.append(value)
    }

    private func remembered(_ number: Int, _ place: Int) throws(FileError) -> PickleValue {
        guard let value = memo[number] else {
            throw cursor.failure("the pickle looks for value \(number), which it never remembered", at: place)
        }
        return value
    }

    // MARK: - Containers

    private func items(of values: [PickleValue], _ place: Int) throws(FileError) -> [PickleItem] {
        guard values.count.isMultiple(of: 2) else { throw cursor.failure("a dict has a key without a value", at: place) }
        return stride(from: 0, to: values.count, by: 2).map { PickleItem(key: values[$0], value: values[$0 + 1]) }
    }

    private mutating func extend(_ target: PickleValue, _ values: [PickleValue], _ place: Int) throws(FileError) {
        guard heap.extend(target, by: values) else { throw cursor.failure("values are appended to what is no list", at: place) }
    }

    private mutating func fill(_ target: PickleValue, _ items: [PickleItem], _ place: Int) throws(FileError) {
        guard heap.fill(target, with: items) else { throw cursor.failure("items are put into what is no dict", at: place) }
    }

    // MARK: - Text and numbers

    private mutating func text(_ count: UInt64, _ place: Int) throws(FileError) -> PickleValue {
        guard let text = String(validating: try cursor.run(count), as: UTF8.self) else {
            throw cursor.failure("a text of the pickle is no UTF-8", at: place)
        }
        return .text(text)
    }

    private mutating func bytes(_ count: UInt64) throws(FileError) -> PickleValue {
        _ = try cursor.run(count)
        return .bytes
    }

    /// Strings of Python 2.
    private func latin(_ bytes: ArraySlice<UInt8>) -> PickleValue {
        .text(String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })))
    }

    /// As Python shows a string, or the text itself; with escapes it is no name.
    private mutating func lineText(_ place: Int) throws(FileError) -> PickleValue {
        var line = try cursor.line()[...]
        guard !line.contains(UInt8(ascii: "\\")) else { return .bytes }
        let quotes = [UInt8(ascii: "'"), UInt8(ascii: "\"")]
        if line.count >= 2, let first = line.first, quotes.contains(first), line.last == first { line = line.dropFirst().dropLast() }
        return latin(line)
    }

    private func integer(_ bytes: ArraySlice<UInt8>) -> PickleValue {
        guard bytes.count <= 8 else { return .largeInteger(Array(bytes)) }
        let isNegative = bytes.last.map { $0 & 0x80 != 0 } ?? false
        return .integer(bytes.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) })
    }

    private mutating func lineInteger(_ place: Int) throws(FileError) -> PickleValue {
        let line = String(decoding: try cursor.line(), as: UTF8.self)
        if line == "00" || line == "01" { return .bool(line == "01") }
        guard let value = Int(line) else { throw cursor.failure("is no number", at: place) }
        return .integer(value)
    }

    private mutating func lineLong(_ place: Int) throws(FileError) -> PickleValue {
        let line = String(decoding: try cursor.line(), as: UTF8.self)
        let digits = line.hasSuffix("L") ? line.dropLast() : line[...]
        guard let value = Int(digits) else { return .bytes }
        return .integer(value)
    }

    private mutating func lineNumber(_ place: Int) throws(FileError) -> Int {
        guard let value = Int(String(decoding: try cursor.line(), as: UTF8.self)), value >= 0 else {
            throw cursor.failure("is no number", at: place)
        }
        return value
    }
}
