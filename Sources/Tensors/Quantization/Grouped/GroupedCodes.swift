import CKernels

/// How the codes of a weight lie in a row of bytes, and what numbers they are.
package enum GroupedCodes: Sendable, Hashable {
    /// Unsigned, 1 to 8 bits each, one behind the other, the lowest bit of a byte first.
    case stream(bits: Int)
    /// Unsigned, 1 to 8 bits each, as many in a 32-bit word as it holds whole.
    case words(bits: Int)
    /// Signed bytes.
    case int8
    /// 4-bit floats, two in a byte, the first in the lower half.
    case e2m1
    /// float8, with four bits of exponent or with five.
    case e4m3, e5m2

    package var bits: Int {
        switch self {
        case .stream(let bits), .words(let bits): bits
        case .int8, .e4m3, .e5m2: 8
        case .e2m1: 4
        }
    }

    /// Codes that whole units of bytes hold: reading begins at a multiple of so many.
    package var unit: Int {
        switch self {
        case .stream: 8
        case .words(let bits): 32 / bits
        case .int8, .e4m3, .e5m2: 1
        case .e2m1: 2
        }
    }

    /// Bytes that the first `count` codes of a row reach into.
    package func byteCount(_ count: Int) -> Int {
        switch self {
        case .stream(let bits): count / 8 * bits + (count % 8 * bits + 7) / 8
        case .words(let bits): count / unit * 4 + (count % unit * bits + 7) / 8
        case .int8, .e4m3, .e5m2: count
        case .e2m1: (count + 1) / 2
        }
    }

    /// 32-bit words of a row of `count` codes; nil where there are no so many bits.
    package func wordCount(_ count: Int) -> Int? {
        guard case .words(let bits) = self else {
            let (bits, overflows) = count.multipliedReportingOverflow(by: bits)
            return overflows || count < 0 ? nil : bits / 32 + (bits % 32 == 0 ? 0 : 1)
        }
        let inWord = 32 / bits
        return count < 0 ? nil : count / inWord + (count % inWord == 0 ? 0 : 1)
    }

    var kernelKind: qk_codeKind {
        switch self {
        case .stream: QK_CODES_STREAM
        case .words: QK_CODES_WORDS
        case .int8: QK_CODES_I8
        case .e2m1: QK_CODES_E2M1
        case .e4m3: QK_CODES_E4M3
        case .e5m2: QK_CODES_E5M2
        }
    }
}

/// What becomes of the number v of a code, with the scale s and the offset o of its group.
package enum GroupArithmetic: Sendable, Hashable {
    /// v s
    case scaled
    /// v s, rounded, + o, rounded
    case scaledThenMoved
    /// (v - o), rounded, times s, rounded
    case movedThenScaled
    /// v s, rounded, times o
    case scaledTwice

    var kernelArithmetic: qk_groupArithmetic {
        switch self {
        case .scaled: QK_SCALED
        case .scaledThenMoved: QK_SCALED_THEN_MOVED
        case .movedThenScaled: QK_MOVED_THEN_SCALED
        case .scaledTwice: QK_SCALED_TWICE
        }
    }
}
