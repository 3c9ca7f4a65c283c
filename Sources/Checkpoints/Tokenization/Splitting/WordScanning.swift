/// Functions of the splitting rules over one text; positions are byte offsets of scalars in UTF-8.
///
/// The text is passed along: a value that holds a span cannot be returned without an experimental feature.
struct WordScanning: Sendable {
    private let classes = CharacterClass.table

    @inline(__always)
    private func look(_ text: Span<UInt8>, _ position: Int) -> (kind: CharacterClass, byteCount: Int) {
        let (value, byteCount) = scalar(in: text, at: position)
        return (classes[Int(value)], byteCount)
    }

    /// End of the run of `kind` that `position` is in or at the end of.
    @inline(__always)
    private func endOfRun(of kind: CharacterClass, in text: Span<UInt8>, from position: Int, to end: Int) -> Int {
        var position = position
        while position < end {
            let (found, byteCount) = look(text, position)
            guard found == kind else { break }
            position += byteCount
        }
        return position
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`, of which the apostrophe is at `start`; nil where none of them is there.
    private func endOfContraction(in text: Span<UInt8>, from start: Int, to end: Int, ignoringCase: Bool) -> Int? {
        func letter(_ offset: Int) -> UInt8 {
            guard start + offset < end else { return 0 }
            let byte = text[start + offset]
            return ignoringCase && (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
        }
        switch letter(1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r") where letter(2) == UInt8(ascii: "e"): return start + 3
        case UInt8(ascii: "v") where letter(2) == UInt8(ascii: "e"): return start + 3
        case UInt8(ascii: "l") where letter(2) == UInt8(ascii: "l"): return start + 3
        // A long s is an s where case does not count.
        case 0xc5 where ignoringCase && letter(2) == 0xbf: return start + 3
        default: return nil
        }
    }

    /// `\s+(?!\S)|\s+`: a run of spaces without its last one where something follows, unless it has only one.
    private func endOfSpaces(in text: Span<UInt8>, from start: Int, runEnd: Int, to end: Int) -> Int {
        guard runEnd < end else { return runEnd }
        let last = startOfScalar(in: text, endingAt: runEnd)
        return last > start ? last : runEnd
    }

    func endOfGPT2Word(in text: Span<UInt8>, from start: Int, to end: Int) -> Int {
        if text[start] == UInt8(ascii: "'"), let found = endOfContraction(in: text, from: start, to: end, ignoringCase: false) {
            return found
        }
        let first = look(text, start)
        if first.kind != .space { return endOfRun(of: first.kind, in: text, from: start + first.byteCount, to: end) }
        if text[start] == UInt8(ascii: " "), start + 1 < end {
            let second = look(text, start + 1)
            if second.kind != .space { return endOfRun(of: second.kind, in: text, from: start + 1 + second.byteCount, to: end) }
        }
        let runEnd = endOfRun(of: .space, in: text, from: start + first.byteCount, to: end)
        return endOfSpaces(in: text, from: start, runEnd: runEnd, to: end)
    }

    func endOfLlama3Word(in text: Span<UInt8>, from start: Int, to end: Int, digitCount: Int) -> Int {
        if text[start] == UInt8(ascii: "'"), let found = endOfContraction(in: text, from: start, to: end, ignoringCase: true) {
            return found
        }
        let first = look(text, start)
        let afterFirst = start + first.byteCount
        switch first.kind {
        case .letter: return endOfRun(of: .letter, in: text, from: afterFirst, to: end)
        case .number: return endOfNumber(in: text, from: start, to: end, digitCount: digitCount)
        case .other, .space: break
        }
        let second: (kind: CharacterClass, byteCount: Int) = afterFirst < end ? look(text, afterFirst) : (.space, 0)
        if second.kind == .letter, !Self.isLineBreak(text[start]) {
            return endOfRun(of: .letter, in: text, from: afterFirst + second.byteCount, to: end)
        }
        if first.kind == .other { return endOfOthers(in: text, from: afterFirst, to: end) }
        if text[start] == UInt8(ascii: " "), second.kind == .other {
            return endOfOthers(in: text, from: afterFirst + second.byteCount, to: end)
        }
        let runEnd = endOfRun(of: .space, in: text, from: afterFirst, to: end)
        var lastBreak = runEnd
        while lastBreak > start, !Self.isLineBreak(text[lastBreak - 1]) { lastBreak -= 1 }
        if lastBreak > start { return lastBreak }
        return endOfSpaces(in: text, from: start, runEnd: runEnd, to: end)
    }

    /// `\p{N}{1,n}`
    private func endOfNumber(in text: Span<UInt8>, from start: Int, to end: Int, digitCount: Int) -> Int {
        var position = start
        var count = 0
        while position < end, count < digitCount {
            let (kind, byteCount) = look(text, position)
            guard kind == .number else { break }
            position += byteCount
            count += 1
        }
        return position
    }

    /// The rest of `[^\s\p{L}\p{N}]+[\r\n]*`.
    private func endOfOthers(in text: Span<UInt8>, from start: Int, to end: Int) -> Int {
        var position = endOfRun(of: .other, in: text, from: start, to: end)
        while position < end, Self.isLineBreak(text[position]) { position += 1 }
        return position
    }

    private static func isLineBreak(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }

    func endOfMarkedWord(in text: Span<UInt8>, from start: Int, to end: Int, every: Bool) -> Int {
        var position = start
        var previousIsMark = false
        while position < end {
            let isMark = position + 2 < end && text[position] == 0xe2 && text[position + 1] == 0x96 && text[position + 2] == 0x81
            if isMark, position > start, every || !previousIsMark { return position }
            previousIsMark = isMark
            position += isMark ? 3 : 1
        }
        return end
    }
}
