// The standard library composes; it only does not say so in public. Foundation would bring 30 MB of ICU along, and tables
// of our own a second copy of what is linked anyway.
@_spi(_Unicode) import Swift

/// Unicode's normalization forms C and D, of the characters that the tokenizers library does something to: those of Unicode 9. Later
/// ones stay as and where they are, and nothing is put together or sorted across them.
enum CanonicalComposition {
    /// What is composed already comes back as it is. Time grows with the length alone.
    static func composed(_ text: [UInt8]) -> [UInt8] {
        // Below U+0300 nothing composes with anything.
        guard text.contains(where: { $0 >= 0xcc }) else { return text }
        return replacingRuns(in: text, of: CompositionRanges.followers, from: 0x300, behind: CompositionRanges.leaders) { run in
            run._nfc.reduce(into: "") { $0.unicodeScalars.append($1) }
        }
    }

    static func decomposed(_ text: [UInt8]) -> [UInt8] {
        // Below U+00C0 nothing decomposes.
        guard text.contains(where: { $0 >= 0xc3 }) else { return text }
        return replacingRuns(in: text, of: CompositionRanges.marks, from: 0xc0, behind: []) { run in
            run._nfd.reduce(into: "") { $0.unicodeScalars.append($1) }
        }
    }

    /// Text with every run of certain scalars replaced, each with the one before it where that is a leader.
    ///
    /// - Parameters:
    ///   - members: ranges, none of which begins before `least`.
    ///   - leaders: ranges.
    private static func replacingRuns(
        in text: [UInt8], of members: [UInt32], from least: UInt32, behind leaders: [UInt32], with form: (String) -> String
    ) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        let span = text.span
        var position = 0
        var before: (start: Int, value: UInt32)?
        while position < text.count {
            let (value, byteCount) = scalar(in: span, at: position)
            var end = position + byteCount
            guard value >= least, contains(value, in: members) else {
                result += text[position..<end]
                before = (position, value)
                position = end
                continue
            }
            while end < text.count {
                let (next, nextByteCount) = scalar(in: span, at: end)
                guard next >= least, contains(next, in: members) else { break }
                end += nextByteCount
            }
            var start = position
            if let before, contains(before.value, in: leaders) {
                start = before.start
                result.removeLast(position - start)
            }
            result += form(String(decoding: text[start..<end], as: UTF8.self)).utf8
            before = nil
            position = end
        }
        return result
    }

    /// - Parameter bounds: first and last scalar of each range, in ascending order.
    private static func contains(_ value: UInt32, in bounds: [UInt32]) -> Bool {
        // The first range that does not end before the scalar.
        var (low, high) = (0, bounds.count / 2)
        while low < high {
            let middle = (low + high) / 2
            if bounds[2 * middle + 1] < value { low = middle + 1 } else { high = middle }
        }
        return 2 * low < bounds.count && bounds[2 * low] <= value
    }
}
