package import ByteIO
package import Quantization
package import TensorCore

/// What one tensor holds.
package struct TensorStatistics: Sendable {
    /// By the kind of numbers that the elements are.
    package enum Elements: Sendable {
        case real(Reals)
        case integer(Integers)
        /// Complex numbers: they have no order, so nothing is counted.
        case complex
        /// 4-bit elements whose codebook cannot be read: damage, which is for `IntegrityCheck` to judge.
        case damaged(FileError)
    }

    /// Floating-point elements; 4-bit ones dequantized to float32.
    package struct Reals: Sendable {
        package let summary: ElementSummary
        /// Elements more than 6 standard deviations from the mean.
        package let outlierCount: Int
        /// Nil where none was asked for, or no two finite elements differ.
        package let histogram: Histogram?

        /// How far an outlier lies from the mean, in standard deviations.
        package static let outlierDistance = 6.0

        /// Of all finite elements; nil where there are none.
        package var outlierShare: Double? { share(outlierCount) }
        package var zeroShare: Double? { share(summary.zeroCount) }

        private func share(_ count: Int) -> Double? {
            summary.finiteCount == 0 ? nil : Double(count) / Double(summary.finiteCount)
        }
    }

    /// Whole numbers; of truth values, 0 and 1.
    package struct Integers: Sendable, Hashable {
        /// Nil of an empty tensor.
        package let range: ClosedRange<Int128>?
        package let zeroCount: Int
    }

    package let row: LayerListing.Row
    /// Type of the elements: as stored, or what the quantized ones were.
    package let scalarType: ScalarType
    package let elements: Elements
    /// Of a 4-bit tensor.
    package let blocks: BlockStatistics?

    /// The same with a histogram.
    func with(_ histogram: Histogram?) -> TensorStatistics {
        guard case .real(let reals) = elements else { return self }
        let elements = Elements.real(Reals(summary: reals.summary, outlierCount: reals.outlierCount, histogram: histogram))
        return TensorStatistics(row: row, scalarType: scalarType, elements: elements, blocks: blocks)
    }

    package var reals: Reals? { if case .real(let reals) = elements { reals } else { nil } }
    package var integers: Integers? { if case .integer(let integers) = elements { integers } else { nil } }
}

/// How a tensor uses its 4-bit codes, and how its constants are distributed.
package struct BlockStatistics: Sendable, Hashable {
    /// How often each of the 16 codes occurs.
    package let codeCounts: [UInt64]
    /// What the codes stand for before they are multiplied by their block's constant.
    package let codebook: [Float]
    package let blockCount: Int
    /// Of the constants that are finite numbers; nil where there are none.
    package let absmax: Percentiles?

    /// Bits of information in a code, from 0 (one code for all) to 4 (all codes equally often).
    package var entropy: Double { CodeUsage.entropy(of: codeCounts) }

    /// Share of the codes that stand for zero.
    package var zeroCodeShare: Double { CodeUsage.zeroShare(of: codeCounts, codebook: codebook) }
}
