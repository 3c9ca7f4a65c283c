import ByteIO
package import JSONText
import Quantization
import TensorCore

/// As parts of a report keep them: everything but what the header of the model tells. No digit is lost, as doubles and floats are
/// written by their bits.
extension TensorStatistics {
    /// Histograms are left out.
    package var document: JSONValue {
        var object = JSONObject()
        switch elements {
        case .real(let reals):
            object["summary"] = Self.words(reals.summary.words)
            object["outliers"] = .integer(reals.outlierCount)
        case .integer(let integers):
            object["range"] = integers.range.map { .strings(["\($0.lowerBound)", "\($0.upperBound)"]) } ?? .null
            object["zeros"] = .integer(integers.zeroCount)
        case .complex: object["complex"] = .bool(true)
        case .damaged(let error):
            object["damage"] = .array([error.path, error.place, error.message, error.hint].map { $0.map { .string($0) } ?? .null })
        }
        if let blocks {
            object["codes"] = Self.words(blocks.codeCounts)
            object["codebook"] = Self.words(blocks.codebook.map { UInt64($0.bitPattern) })
            object["blocks"] = .integer(blocks.blockCount)
            object["absmax"] = blocks.absmax.map { Self.words($0.values.map { UInt64($0.bitPattern) }) } ?? .null
        }
        return .object(object)
    }

    /// - Returns: nil where the document is no such thing, or of a tensor with another number of elements.
    init?(document: JSONValue, row: LayerListing.Row, scalarType: ScalarType) {
        guard let elements = Self.elements(document, count: row.shape.elementCount) else { return nil }
        var blocks: BlockStatistics?
        if document["codes"] != nil {
            guard let found = Self.blocks(document, count: row.shape.elementCount) else { return nil }
            blocks = found
        }
        self.init(row: row, scalarType: scalarType, elements: elements, blocks: blocks)
    }

    private static func elements(_ document: JSONValue, count: Int) -> Elements? {
        if let summary = document["summary"] {
            guard let summary = words(summary).flatMap({ ElementSummary(words: $0) }), summary.elementCount == count,
                let outliers = document["outliers"]?.integer, (0...count).contains(outliers)
            else { return nil }
            return .real(Reals(summary: summary, outlierCount: outliers, histogram: nil))
        }
        if let zeros = document["zeros"]?.integer, let range = document["range"], (0...count).contains(zeros) {
            if range == .null { return .integer(Integers(range: nil, zeroCount: zeros)) }
            let ends = range.array?.compactMap(\.string).compactMap { Int128($0) } ?? []
            guard ends.count == 2, ends[0] <= ends[1], ends[0] >= Int128(Int64.min), ends[1] <= Int128(UInt64.max) else { return nil }
            return .integer(Integers(range: ends[0]...ends[1], zeroCount: zeros))
        }
        if let damage = document["damage"]?.array, damage.count == 4, let path = damage[0].string, let message = damage[2].string {
            return .damaged(FileError(path, at: damage[1].string, message, hint: damage[3].string))
        }
        return document["complex"]?.bool == true ? .complex : nil
    }

    private static func blocks(_ document: JSONValue, count: Int) -> BlockStatistics? {
        guard let codes = document["codes"].flatMap(words), codes.count == 16, codes.allSatisfy({ $0 <= UInt64(count) }),
            let codebook = document["codebook"].flatMap(floats), codebook.count == 16, let blockCount = document["blocks"]?.integer,
            (0...count).contains(blockCount), let absmax = document["absmax"]
        else { return nil }
        var percentiles: Percentiles?
        if absmax != .null {
            guard let found = floats(absmax).flatMap({ Percentiles(values: $0) }) else { return nil }
            percentiles = found
        }
        return BlockStatistics(codeCounts: codes, codebook: codebook, blockCount: blockCount, absmax: percentiles)
    }

    private static func words(_ words: [UInt64]) -> JSONValue { .array(words.map { .number(JSONNumber($0)) }) }

    private static func words(_ value: JSONValue) -> [UInt64]? {
        guard let array = value.array else { return nil }
        let words = array.compactMap { element -> UInt64? in
            guard case .number(let number) = element else { return nil }
            return UInt64(number.literal)
        }
        return words.count == array.count ? words : nil
    }

    private static func floats(_ value: JSONValue) -> [Float]? {
        guard let words = words(value), words.allSatisfy({ $0 <= UInt64(UInt32.max) }) else { return nil }
        return words.map { Float(bitPattern: UInt32($0)) }
    }
}
