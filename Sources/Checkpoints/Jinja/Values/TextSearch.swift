import Platform

/// Finding text in text, in time that is linear in both.
extension TemplateString {
    /// Where `part` is found first, as a range of the buffer; from `start` on, which is a place in the buffer.
    func firstRange(of part: TemplateString, from start: Int? = nil) -> Range<Int>? {
        let start = start ?? self.start
        guard part.byteCount > 0 else { return start..<start }
        guard end - start >= part.byteCount else { return nil }
        return part.byteCount <= Self.shortCount
            ? firstRange(ofShort: Array(part.bytes), from: start) : firstRange(ofLong: part, from: start)
    }

    /// Bytes up to which comparing at each place is as good as linear, and faster.
    private static let shortCount = 16

    private func firstRange(ofShort part: [UInt8], from start: Int) -> Range<Int>? {
        buffer.bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return nil }
            let last = end - part.count
            var offset = start
            while offset <= last, let found = memchr(base + offset, Int32(part[0]), last + 1 - offset) {
                offset = UnsafeRawPointer(base).distance(to: found)
                if memcmp(found, part, part.count) == 0 { return offset..<offset + part.count }
                offset += 1
            }
            return nil
        }
    }

    private func firstRange(ofLong part: TemplateString, from start: Int) -> Range<Int>? {
        let part = Array(part.bytes)
        let borders = Self.borders(of: part)
        return buffer.bytes.withUnsafeBufferPointer { bytes in
            var matched = 0
            for offset in start..<end {
                while matched > 0, bytes[offset] != part[matched] { matched = borders[matched] }
                if bytes[offset] == part[matched] { matched += 1 }
                if matched == part.count { return offset + 1 - part.count..<offset + 1 }
            }
            return nil
        }
    }

    /// Knuth, Morris and Pratt: at n, the length of the longest text that the first n bytes both begin and end with, shorter than n.
    private static func borders(of part: [UInt8]) -> [Int] {
        var borders = [0, 0]
        borders.reserveCapacity(part.count + 1)
        var length = 0
        for index in 1..<part.count {
            while length > 0, part[index] != part[length] { length = borders[length] }
            if part[index] == part[length] { length += 1 }
            borders.append(length)
        }
        return borders
    }

    /// Where `part` is found last, ending at `end` or before.
    func lastRange(of part: TemplateString, to end: Int? = nil) -> Range<Int>? {
        let end = end ?? self.end
        let count = part.byteCount
        guard count > 0 else { return end..<end }
        guard end - start >= count else { return nil }
        let part = Array(part.bytes.reversed())
        let borders = Self.borders(of: part)
        return buffer.bytes.withUnsafeBufferPointer { bytes in
            var matched = 0
            var offset = end
            while offset > start {
                offset -= 1
                while matched > 0, bytes[offset] != part[matched] { matched = borders[matched] }
                if bytes[offset] == part[matched] { matched += 1 }
                if matched == count { return offset..<offset + count }
            }
            return nil
        }
    }

    /// Split at a character of ASCII.
    func pieces(separatedBy separator: UInt8) -> [TemplateString] {
        bytes.split(separator: separator, omittingEmptySubsequences: false).map { piece($0.startIndex..<$0.endIndex) }
    }

    func hasPrefix(_ part: TemplateString) -> Bool {
        byteCount >= part.byteCount && buffer.bytes[start..<start + part.byteCount].elementsEqual(part.bytes)
    }

    func hasSuffix(_ part: TemplateString) -> Bool {
        byteCount >= part.byteCount && buffer.bytes[end - part.byteCount..<end].elementsEqual(part.bytes)
    }

    /// Calls with each place where `part` stands, from the left, without overlaps, and at most `limit` times.
    ///
    /// An empty part stands before each scalar and at the end.
    func forEachRange(of part: TemplateString, limit: Int, _ body: (Range<Int>) throws(Fault) -> Void) throws(Fault) {
        var left = limit
        var offset = start
        if part.isEmpty {
            while left > 0 {
                try body(offset..<offset)
                left -= 1
                guard offset < end else { return }
                offset += PythonText.scalar(in: buffer.bytes, at: offset).1
            }
            return
        }
        while left > 0, let found = firstRange(of: part, from: offset) {
            try body(found)
            offset = found.upperBound
            left -= 1
        }
    }
}
