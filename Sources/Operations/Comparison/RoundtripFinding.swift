package import JSONText
import Quantization

/// What comparing a tensor with its source has found.
package struct RoundtripFinding: Sendable {
    /// 4-bit in the model.
    let isQuantized: Bool
    let statistics: ErrorStatistics
    /// Nil where no bound holds.
    let largestBoundShare: Double?
    /// Nil where it was not looked for.
    let isBitExact: Bool?

    init(isQuantized: Bool, statistics: ErrorStatistics, largestBoundShare: Double?, isBitExact: Bool?) {
        self.isQuantized = isQuantized
        self.statistics = statistics
        self.largestBoundShare = largestBoundShare
        self.isBitExact = isBitExact
    }
}

/// As parts of a report keep it. No digit is lost, as doubles are written by their bits.
extension RoundtripFinding {
    package var document: JSONValue {
        var object = JSONObject([
            "quantized": .bool(isQuantized), "errors": .array(statistics.words.map { .number(JSONNumber($0)) }),
        ])
        if let share = largestBoundShare { object["bound_share"] = .number(JSONNumber(share.bitPattern)) }
        if let isBitExact { object["bit_exact"] = .bool(isBitExact) }
        return .object(object)
    }

    /// - Returns: nil where the document is no such thing.
    package init?(document: JSONValue) {
        func word(_ value: JSONValue) -> UInt64? {
            guard case .number(let number) = value else { return nil }
            return UInt64(number.literal)
        }
        guard let isQuantized = document["quantized"]?.bool, let errors = document["errors"]?.array else { return nil }
        let words = errors.compactMap(word)
        guard words.count == errors.count, let statistics = ErrorStatistics(words: words) else { return nil }
        var share: Double?
        if let bits = document["bound_share"] {
            guard let found = word(bits) else { return nil }
            share = Double(bitPattern: found)
        }
        guard document["bit_exact"] == nil || document["bit_exact"]?.bool != nil else { return nil }
        self.init(
            isQuantized: isQuantized, statistics: statistics, largestBoundShare: share, isBitExact: document["bit_exact"]?.bool)
    }
}
