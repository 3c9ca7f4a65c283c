import CKernels
package import TensorCore

/// Range, mean and spread of floating-point elements, in constant memory, and how many of them are zero or not finite.
///
/// Elements are summed up in runs of a fixed length, each in a fixed order of double-precision operations; runs are then
/// joined one after the other by Chan, Golub and LeVeque's update. Whoever joins the runs of a tensor in their order gets
/// the same bits on every machine, however the work was cut into chunks and dealt out to threads. Means are right to
/// about 1e-13 of the largest magnitude, deviations to 9 digits also where they are a millionth of the mean.
package struct ElementSummary: Sendable {
    private var summary = qk_summary_empty

    /// Of no elements.
    package init() {}

    private init(_ summary: qk_summary) { self.summary = summary }

    /// All of it as whole numbers, doubles by their bits: what `init(words:)` takes.
    package var words: [UInt64] {
        [summary.finite, summary.zeros, summary.nans, summary.positiveInfinities, summary.negativeInfinities]
            + [summary.mean, summary.squares, summary.minimum, summary.maximum].map(\.bitPattern)
    }

    /// - Returns: nil where no elements have such a summary.
    package init?(words: [UInt64]) {
        guard words.count == 9, words[..<5].allSatisfy({ $0 < 1 << 56 }), words[1] <= words[0] else { return nil }
        summary.finite = words[0]
        (summary.zeros, summary.nans, summary.positiveInfinities, summary.negativeInfinities) = (words[1], words[2], words[3], words[4])
        (summary.mean, summary.squares) = (Double(bitPattern: words[5]), Double(bitPattern: words[6]))
        (summary.minimum, summary.maximum) = (Double(bitPattern: words[7]), Double(bitPattern: words[8]))
    }

    /// Elements of a run of dense ones: chunks begin at a multiple.
    package static let runLength = Int(QK_RUN)

    /// Elements of a run of 4-bit ones.
    package static let quantizedRunLength = Int(QK_RUN4)

    /// A summary of each run that `bytes`, elements of a quantizable type, consist of.
    package static func runs(of bytes: UnsafeRawBufferPointer, type: ScalarType) -> [ElementSummary] {
        let (kernelType, count) = elements(of: bytes, type: type)
        return [ElementSummary](unsafeUninitializedCapacity: (count + runLength - 1) / runLength) { buffer, initializedCount in
            initializedCount = buffer.count
            // A summary is nothing but its only member.
            buffer.withMemoryRebound(to: qk_summary.self) { qk_summarize(kernelType, bytes.baseAddress, count, $0.baseAddress) }
        }
    }

    /// A summary of each run of 4-bit elements, dequantized to float32.
    ///
    /// - Parameter codeCounts: 16 numbers, to which the occurrences of each code are added.
    package static func runs(of blocks: QuantizedBlocks, codeCounts: inout [UInt64]) -> [ElementSummary] {
        precondition(codeCounts.count == 16, "\(codeCounts.count) counts of 16 codes")
        let runCount = (blocks.elementCount + quantizedRunLength - 1) / quantizedRunLength
        return [ElementSummary](unsafeUninitializedCapacity: runCount) { buffer, initializedCount in
            initializedCount = runCount
            buffer.withMemoryRebound(to: qk_summary.self) { runs in
                blocks.withKernelBlocks { qk_summarize4($0, &codeCounts, runs.baseAddress) }
            }
        }
    }

    /// Appends the elements that `next` sums up.
    package mutating func append(_ next: ElementSummary) {
        withUnsafePointer(to: next.summary) { qk_summary_append(&summary, $0) }
    }

    /// Elements that are neither NaN nor infinite. All but the last three measures are about them alone.
    package var finiteCount: Int { Int(summary.finite) }
    /// Nil where no element is finite, as are the following ones.
    package var minimum: Double? { finiteCount == 0 ? nil : summary.minimum }
    package var maximum: Double? { finiteCount == 0 ? nil : summary.maximum }
    /// Largest magnitude.
    package var absmax: Double? { finiteCount == 0 ? nil : max(summary.minimum.magnitude, summary.maximum.magnitude) }
    package var mean: Double? { finiteCount == 0 ? nil : summary.mean }
    /// Of the elements as the whole population: the root of the mean square distance from the mean.
    package var standardDeviation: Double? {
        finiteCount == 0 ? nil : (summary.squares / Double(summary.finite)).squareRoot()
    }
    package var zeroCount: Int { Int(summary.zeros) }
    package var nanCount: Int { Int(summary.nans) }
    package var positiveInfinityCount: Int { Int(summary.positiveInfinities) }
    package var negativeInfinityCount: Int { Int(summary.negativeInfinities) }

    package var nonfiniteCount: Int { nanCount + positiveInfinityCount + negativeInfinityCount }
    package var elementCount: Int { finiteCount + nonfiniteCount }

    /// Whether some of the elements may be further than `distance` from `mean`: their range reaches beyond.
    package func mayHold(furtherFrom mean: Double, than distance: Double) -> Bool {
        finiteCount > 0 && (summary.maximum - mean > distance || mean - summary.minimum > distance)
    }

    /// Finite elements that are further than `distance` from `mean`.
    package static func count(
        in bytes: UnsafeRawBufferPointer, type: ScalarType, furtherFrom mean: Double, than distance: Double
    ) -> Int {
        let (kernelType, count) = elements(of: bytes, type: type)
        return Int(qk_count_far(kernelType, bytes.baseAddress, count, mean, distance))
    }

    /// Finite 4-bit elements that are further than `distance` from `mean`.
    package static func count(in blocks: QuantizedBlocks, furtherFrom mean: Double, than distance: Double) -> Int {
        Int(blocks.withKernelBlocks { qk_count_far4($0, mean, distance) })
    }

    static func elements(of bytes: UnsafeRawBufferPointer, type: ScalarType) -> (type: qk_float, count: Int) {
        guard let kernelType = type.kernelType else { preconditionFailure("\(type) is not quantizable") }
        let byteCount = qk_float_byteCount(kernelType)
        precondition(bytes.count % byteCount == 0, "\(bytes.count) bytes end within an element")
        return (kernelType, bytes.count / byteCount)
    }
}
