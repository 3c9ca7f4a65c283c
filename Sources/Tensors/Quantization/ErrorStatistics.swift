import CKernels
package import TensorCore

/// How far a stream of values is from its reference, in constant memory.
///
/// The sums are in double precision with a fixed order: the same bits on every machine and however the stream was cut
/// into `add`s. (`append` joins streams summed apart; where they were cut then shows in the last bits.)
package struct ErrorStatistics: Sendable {
    private var sums = qk_error_sums()

    package init() {}

    /// The next values of both; equally many.
    package mutating func add(reference: Span<Float>, actual: Span<Float>) {
        precondition(reference.count == actual.count, "\(reference.count) and \(actual.count) values")
        reference.withUnsafeBufferPointer { reference in
            actual.withUnsafeBufferPointer { qk_error_add(&sums, reference.baseAddress, $0.baseAddress, $0.count) }
        }
    }

    /// The next values, stored as a float type, of both sides: the same.
    package mutating func add(same values: RawSpan, of scalarType: ScalarType) {
        guard let type = scalarType.kernelType else { preconditionFailure("\(scalarType) is no type of floats") }
        let count = values.byteCount / qk_float_byteCount(type)
        values.withUnsafeBytes { qk_error_add_same(&sums, type, $0.baseAddress, count) }
    }

    /// The next values, 4-bit, and their reference, stored as a float type: as adding both as float32, in one pass.
    ///
    /// The stream so far is a multiple of 8.
    package mutating func add(reference: RawSpan, of scalarType: ScalarType, actual blocks: QuantizedBlocks) -> BlockMaxima {
        guard let type = scalarType.kernelType else { preconditionFailure("\(scalarType) is no type of floats") }
        precondition(reference.byteCount == blocks.elementCount * qk_float_byteCount(type), "\(reference.byteCount) bytes of \(scalarType)")
        precondition(sums.count % UInt64(QK_ERROR_LANES) == 0, "the stream so far ends within a lane")
        var maxima = BlockMaxima(blockCount: blocks.absmax.count)
        blocks.withKernelBlocks { blocks in
            reference.withUnsafeBytes { qk_error_add4(&sums, type, $0.baseAddress, blocks, &maxima.absmax, &maxima.largestError) }
        }
        return maxima
    }

    /// Of each block of 4-bit values: the largest magnitude of the reference, and the largest error.
    package struct BlockMaxima: Sendable {
        package fileprivate(set) var absmax: [Float]
        package fileprivate(set) var largestError: [Double]

        fileprivate init(blockCount: Int) {
            absmax = Array(repeating: 0, count: blockCount)
            largestError = Array(repeating: 0, count: blockCount)
        }
    }

    /// Appends what was counted of the part of the stream that follows.
    package mutating func append(_ next: ErrorStatistics) {
        withUnsafePointer(to: next.sums) { qk_error_append(&sums, $0) }
    }

    package var elementCount: Int { Int(sums.count) }

    /// All of it as whole numbers, doubles by their bits: what `init(words:)` takes.
    package var words: [UInt64] {
        let lanes = [sums.referenceSquares, sums.actualSquares, sums.products, sums.errorSquares, sums.errorMagnitudes]
        return [sums.count, sums.largestErrorIndex, sums.largestError.bitPattern]
            + lanes.flatMap { lanes in withUnsafeBytes(of: lanes) { Array($0.bindMemory(to: UInt64.self)) } }
    }

    /// - Returns: nil where no stream has such sums.
    package init?(words: [UInt64]) {
        guard words.count == 3 + 5 * Int(QK_ERROR_LANES), words[0] < 1 << 56, words[1] <= words[0] else { return nil }
        (sums.count, sums.largestErrorIndex, sums.largestError) = (words[0], words[1], Double(bitPattern: words[2]))
        func fill<Lanes>(_ lanes: inout Lanes, _ number: Int) {
            withUnsafeMutableBytes(of: &lanes) { bytes in
                words[3 + number * Int(QK_ERROR_LANES)..<3 + (number + 1) * Int(QK_ERROR_LANES)].withUnsafeBytes {
                    bytes.copyMemory(from: $0)
                }
            }
        }
        fill(&sums.referenceSquares, 0)
        fill(&sums.actualSquares, 1)
        fill(&sums.products, 2)
        fill(&sums.errorSquares, 3)
        fill(&sums.errorMagnitudes, 4)
    }

    /// The sums so far. A NaN or an infinity among the values makes them NaN.
    package var totals: Totals {
        let totals = withUnsafePointer(to: sums) { qk_error_total($0) }
        return Totals(
            elementCount: elementCount, referenceSquareSum: totals.referenceSquares, actualSquareSum: totals.actualSquares,
            productSum: totals.products, errorSquareSum: totals.errorSquares, errorMagnitudeSum: totals.errorMagnitudes,
            largestError: totals.largestError, largestErrorIndex: Int(totals.largestErrorIndex))
    }

    package struct Totals: Hashable, Sendable {
        package let elementCount: Int
        package let referenceSquareSum: Double
        package let actualSquareSum: Double
        package let productSum: Double
        /// Of actual - reference.
        package let errorSquareSum: Double
        /// Of |actual - reference|.
        package let errorMagnitudeSum: Double
        /// Largest |actual - reference|.
        package let largestError: Double
        /// Of the first element with that error.
        package let largestErrorIndex: Int

        /// Root of the mean square error; 0 of no elements.
        package var rootMeanSquareError: Double {
            elementCount == 0 ? 0 : (errorSquareSum / Double(elementCount)).squareRoot()
        }

        /// Mean of |actual - reference|; 0 of no elements.
        package var meanError: Double { elementCount == 0 ? 0 : errorMagnitudeSum / Double(elementCount) }

        /// Norm of the error by the norm of the reference: 0 where both are 0, infinite where only the reference is.
        package var relativeError: Double {
            errorSquareSum == 0 ? 0 : (errorSquareSum / referenceSquareSum).squareRoot()
        }

        /// 1 where the values point the same way; 1 as well where there is no error, even of zeros.
        package var cosineSimilarity: Double {
            if errorSquareSum == 0 { return 1 }
            let norms = referenceSquareSum.squareRoot() * actualSquareSum.squareRoot()
            return norms == 0 ? 0 : productSum / norms
        }
    }
}
