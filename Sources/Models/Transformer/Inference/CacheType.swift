/// How keys and values of earlier positions are kept.
package enum CacheType: String, Sendable, CaseIterable {
    case f16
    /// Where every digit counts.
    case f32
    /// Signed bytes, a scale in float32 for each head of a position: about half of F16, and of any range.
    case q8

    var elementByteCount: Int {
        switch self {
        case .f16: 2
        case .f32: 4
        case .q8: 1
        }
    }

    /// Of each head of keys or values of one position.
    var scaleByteCount: Int { self == .q8 ? 4 : 0 }

    /// Bytes of one head of keys or values, of D elements, of one position.
    package func byteCount(headWidth: Int) -> Int { headWidth * elementByteCount + scaleByteCount }
}
