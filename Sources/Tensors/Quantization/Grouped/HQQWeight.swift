package import ByteIO
import CKernels
package import TensorCore

/// A weight of half-quadratic quantization (HQQ).
///
///     part 0      codes: U8, or I32 for 3 bits
///     part 1      scale of each group        part 2     zero of each group, both of one type T
///     element     T(T(code - zero) * scale)
///
/// The elements, row by row, make a matrix M: groups are its rows ([groups, group size], axis 1) or its columns ([group size, groups],
/// axis 0). A stored code holds one of each of several bands of rows of M, the uppermost band in the highest bits.
package struct HQQWeight: WeightEncoding {
    /// How codes share their places.
    package enum Packing: String, Sendable, Hashable, CaseIterable {
        case bits8 = "8bit_u8"
        case bits4 = "4bit_u8"
        case bits3 = "3bit_32"
        case bits2 = "2bit_u8"
        case bits1 = "1bit_u8"

        package var bits: Int {
            switch self {
            case .bits8: 8
            case .bits4: 4
            case .bits3: 3
            case .bits2: 2
            case .bits1: 1
            }
        }

        /// That of codes of so many bits; nil where there is none.
        package init?(bits: Int) {
            switch bits {
            case 5...8: self = .bits8
            case 4: self = .bits4
            case 3: self = .bits3
            case 2: self = .bits2
            case 1: self = .bits1
            default: return nil
            }
        }

        package var storedType: ScalarType { self == .bits3 ? .i32 : .u8 }

        /// Bands that share a place: of 3 bits ten in 32.
        package var bands: Int { self == .bits3 ? 10 : 8 / bits }

        /// The lowest bit of the codes of a band.
        func shift(ofBand band: Int) -> Int { (bands - 1 - band) * bits }
    }

    package let shape: Shape
    package let scalarType: ScalarType
    package let packing: Packing
    package let groupSize: Int
    /// 0 or 1.
    package let axis: Int

    /// - Parameter type: of scales and zeros.
    /// - Throws: where the elements are no whole groups.
    package init(shape: Shape, type: ScalarType, packing: Packing, groupSize: Int, axis: Int) throws(QuantizationError) {
        guard type.isNarrowable else { throw QuantizationError("scales of \(type.rawValue) are not known of HQQ") }
        guard axis == 0 || axis == 1 else { throw QuantizationError("axis \(axis) is none of a matrix") }
        guard groupSize > 0, shape.elementCount > 0, shape.elementCount % groupSize == 0 else {
            throw QuantizationError("shape \(shape) has no whole groups of \(groupSize)")
        }
        self.shape = shape
        scalarType = type
        self.packing = packing
        self.groupSize = groupSize
        self.axis = axis
    }

    package var name: String { "HQQ/\(packing.bits)/\(groupSize)" }
    package var granularity: Int { 1 }

    package var groupCount: Int { shape.elementCount / groupSize }
    /// Of M.
    package var matrix: (rows: Int, columns: Int) { axis == 1 ? (groupCount, groupSize) : (groupSize, groupCount) }
    /// Of the stored codes: the bands are as high as the lowest row of M needs.
    package var storedRows: Int { (matrix.rows + packing.bands - 1) / packing.bands }

    package func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        precondition(range.upperBound <= shape.elementCount, "\(range) of \(shape)")
        let columns = matrix.columns, bandCount = storedRows * columns
        var position = range.lowerBound
        while position < range.upperBound {
            let (band, place) = position.quotientAndRemainder(dividingBy: bandCount)
            var end = min(range.upperBound, (band + 1) * bandCount)
            // Where groups are columns, constants are those of a row of them.
            if axis == 0 { end = min(end, (position / columns + 1) * columns) }
            let piece = UnsafeMutableBufferPointer(rebasing: values[position - range.lowerBound..<end - range.lowerBound])
            try decode(position..<end, band: band, place: place, parts, into: piece)
            position = end
        }
    }

    /// Elements of one band, from place `place` of the stored codes on.
    private func decode(
        _ range: Range<Int>, band: Int, place: Int, _ parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>
    ) throws(FileError) {
        let width = packing.storedType.bitCount / 8
        let codes = try parts.bytes(ofPart: 0, place * width..<(place + range.count) * width)
        let size = axis == 1 ? groupSize : 1, columns = matrix.columns
        let groups =
            axis == 1
            ? range.lowerBound / groupSize..<(range.upperBound - 1) / groupSize + 1
            : range.lowerBound % columns..<range.lowerBound % columns + range.count
        let scales = try GroupConstants(.numbers(scalarType), part: 1, groupsPerRow: groupCount).values(groups, of: parts)
        let zeros = try GroupConstants(.numbers(scalarType), part: 2, groupsPerRow: groupCount).values(groups, of: parts)
        let format = qk_grouped(
            kind: packing == .bits3 ? QK_CODES_OF_WORDS : QK_CODES_OF_BYTES, bits: UInt32(packing.bits),
            shift: UInt32(packing.shift(ofBand: band)), arithmetic: QK_MOVED_THEN_SCALED, rounding: scalarType.kernelType ?? QK_F32,
            groupSize: size)
        codes.withUnsafeBufferPointer { codes in
            qk_grouped_decode(
                format, codes.baseAddress, range.lowerBound % size, range.count, scales, zeros, QK_F32, values.baseAddress)
        }
    }
}
