import Platform

/// A string of a template: a window on a buffer of UTF-8, each byte of which knows where it comes from.
///
/// As in Python, positions and lengths count Unicode scalars. Where there are only ASCII characters they are byte offsets.
struct TemplateString {
    let buffer: TextBuffer
    private let start32: UInt32
    private let end32: UInt32
    private let scalarCount32: UInt32
    /// markupsafe's Markup, as the filter `safe` makes it.
    let isMarkup: Bool

    private init(buffer: TextBuffer, start: Int, end: Int, scalarCount: Int, isMarkup: Bool) {
        self.buffer = buffer
        start32 = UInt32(start)
        end32 = UInt32(end)
        scalarCount32 = UInt32(scalarCount)
        self.isMarkup = isMarkup
    }

    /// Valid UTF-8.
    init(_ bytes: [UInt8], mark: Mark) {
        self.init(TextBuffer(bytes: bytes, mark: mark))
    }

    init(_ text: String, mark: Mark = .template) {
        self.init(Array(text.utf8), mark: mark)
    }

    /// Everything in a buffer.
    init(_ buffer: TextBuffer, isMarkup: Bool = false) {
        self.init(
            buffer: buffer, start: 0, end: buffer.bytes.count, scalarCount: Self.scalarCount(of: buffer.bytes, in: 0..<buffer.bytes.count),
            isMarkup: isMarkup)
    }

    static var empty: TemplateString { TemplateString("") }

    var start: Int { Int(start32) }
    var end: Int { Int(end32) }
    var range: Range<Int> { start..<end }
    var byteCount: Int { end - start }
    var scalarCount: Int { Int(scalarCount32) }
    var isEmpty: Bool { start32 == end32 }
    var isASCII: Bool { byteCount == scalarCount }
    var bytes: ArraySlice<UInt8> { buffer.bytes[range] }
    var text: String { String(decoding: bytes, as: UTF8.self) }

    static func scalarCount(of bytes: [UInt8], in range: Range<Int>) -> Int {
        bytes.withUnsafeBufferPointer { bytes in
            var count = 0
            for index in range where bytes[index] & 0xc0 != 0x80 { count += 1 }
            return count
        }
    }

    func markup(_ isMarkup: Bool = true) -> TemplateString {
        TemplateString(buffer: buffer, start: start, end: end, scalarCount: scalarCount, isMarkup: isMarkup)
    }

    // MARK: - Pieces

    /// A piece by its place in the buffer, which lies inside of the window and between characters.
    func piece(_ range: Range<Int>) -> TemplateString {
        let count = isASCII ? range.count : Self.scalarCount(of: buffer.bytes, in: range)
        return TemplateString(buffer: buffer, start: range.lowerBound, end: range.upperBound, scalarCount: count, isMarkup: isMarkup)
    }

    /// The place in the buffer of the scalar with an index, or the end.
    func offset(ofScalar index: Int) -> Int {
        if isASCII { return start + min(index, byteCount) }
        var offset = start
        var left = index
        while left > 0, offset < end {
            offset += 1
            while offset < end, buffer.bytes[offset] & 0xc0 == 0x80 { offset += 1 }
            left -= 1
        }
        return offset
    }

    /// The scalar index of a place in the buffer.
    func scalarIndex(ofOffset offset: Int) -> Int {
        isASCII ? offset - start : Self.scalarCount(of: buffer.bytes, in: start..<offset)
    }

    func scalars(_ range: Range<Int>) -> TemplateString {
        let from = offset(ofScalar: range.lowerBound)
        if isASCII { return piece(from..<from + range.count) }
        var to = from
        for _ in range {
            to += 1
            while to < end, buffer.bytes[to] & 0xc0 == 0x80 { to += 1 }
        }
        return TemplateString(buffer: buffer, start: from, end: to, scalarCount: range.count, isMarkup: isMarkup)
    }

    /// Calls with each scalar and where it comes from.
    func forEachScalar(_ body: (Unicode.Scalar, Mark) -> Void) {
        forEachRun { range, mark in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let (scalar, count) = PythonText.scalar(in: buffer.bytes, at: offset)
                body(scalar, mark)
                offset += count
            }
        }
    }

    /// Calls with each run of bytes of one origin; ranges are those of the buffer.
    func forEachRun(_ body: (Range<Int>, Mark) -> Void) {
        var offset = start
        var index = buffer.runIndex(at: start32)
        while offset < end {
            let run = buffer.runs[index]
            let runEnd = min(Int(run.end), end)
            body(offset..<runEnd, run.mark)
            offset = runEnd
            index += 1
        }
    }

    /// Of the first byte; the template's where there is none.
    var firstMark: Mark { isEmpty ? .template : buffer.mark(at: start) }

    /// Of the whole: the caller's where any part is the caller's.
    var commonMark: Mark {
        var mark = Mark.template
        forEachRun { _, run in if !run.isFromTemplate { mark = .data } }
        return mark
    }

    // MARK: - Comparison

    static func isEqual(_ left: TemplateString, _ right: TemplateString) -> Bool {
        guard left.byteCount == right.byteCount else { return false }
        if left.buffer === right.buffer, left.start32 == right.start32 { return true }
        return isSame(left.buffer.bytes, left.start, right.buffer.bytes, right.start, count: left.byteCount)
    }

    private static func isSame(_ left: [UInt8], _ leftStart: Int, _ right: [UInt8], _ rightStart: Int, count: Int) -> Bool {
        left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                guard count > 0, let left = left.baseAddress, let right = right.baseAddress else { return count == 0 }
                return memcmp(left + leftStart, right + rightStart, count) == 0
            }
        }
    }

    func equals(_ bytes: [UInt8]) -> Bool {
        bytes.count == byteCount && Self.isSame(buffer.bytes, start, bytes, 0, count: byteCount)
    }

    func equals(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { $0.count == byteCount && $0.elementsEqual(bytes) }
    }

    // MARK: - Building

    /// This string with another behind it. In place where this one ends with its buffer.
    func appending(_ other: TemplateString, isMarkup: Bool = false) -> TemplateString {
        let count = scalarCount + other.scalarCount
        let buffer: TextBuffer
        let start: Int
        if end == self.buffer.bytes.count, !isEmpty {
            buffer = self.buffer
            start = self.start
        } else {
            buffer = TextBuffer()
            start = 0
            buffer.append(self)
        }
        buffer.append(other)
        return TemplateString(buffer: buffer, start: start, end: buffer.bytes.count, scalarCount: count, isMarkup: isMarkup)
    }
}

extension TextBuffer {
    /// With some characters written otherwise. `isPlain` tells the bytes that stand for themselves and are copied in one go; of
    /// the other characters `replacement` says what is written, nil for the character itself.
    func append(_ string: TemplateString, isPlain: (UInt8) -> Bool, replacement: (Unicode.Scalar) -> String?) {
        let bytes = string.buffer.bytes
        string.forEachRun { range, mark in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let plainEnd = bytes[offset..<range.upperBound].firstIndex { !isPlain($0) } ?? range.upperBound
                if plainEnd > offset { append(bytes[offset..<plainEnd], mark: mark) }
                offset = plainEnd
                guard offset < range.upperBound else { break }
                let (scalar, count) = PythonText.scalar(in: bytes, at: offset)
                if let text = replacement(scalar) { append(text.utf8, mark: mark) } else { append(scalar, mark: mark) }
                offset += count
            }
        }
    }

    func append(_ string: TemplateString, inGeneration number: UInt32 = 0) {
        guard string.buffer === self else {
            string.forEachRun { range, mark in append(string.buffer.bytes[range], mark: mark.inGeneration(number)) }
            return
        }
        // Only the piece is copied: holding on to the bytes while they grow would copy all of them.
        var pieces: [([UInt8], Mark)] = []
        string.forEachRun { range, mark in pieces.append((Array(bytes[range]), mark)) }
        for (piece, mark) in pieces { append(piece, mark: mark.inGeneration(number)) }
    }
}
