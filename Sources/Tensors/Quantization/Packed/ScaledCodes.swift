package import ByteIO
import CKernels
package import TensorCore

/// Weights of small numbers, row by row, with a scale for each rectangle of them.
///
///     part 0   [out, in]                  a number each, or two in a byte, the first in the low half
///     part 1   [out / h, in / w]          the scale of each rectangle of h rows and w columns; the last ones may be partial
///     value    fl(fl(number * scale) * factor)
package struct ScaledCodes: WeightEncoding {
    package enum Code: Sendable, Hashable {
        case e4m3, e5m2, int8
        /// Four bits: 0, .5, 1, 1.5, 2, 3, 4, 6 and their negatives.
        case e2m1

        fileprivate var kernel: qk_code {
            switch self {
            case .e4m3: QK_CODE_E4M3
            case .e5m2: QK_CODE_E5M2
            case .int8: QK_CODE_I8
            case .e2m1: QK_CODE_E2M1
            }
        }

        package var perByte: Int { self == .e2m1 ? 2 : 1 }
    }

    /// How scales are stored.
    package enum ScaleType: Sendable, Hashable {
        /// F32, F16 or BF16.
        case float(ScalarType)
        /// A byte e for 2^(e - 127); 255 is no number.
        case powerOfTwo
    }

    package let name: String
    package let scalarType: ScalarType
    /// [out, in].
    package let shape: Shape
    private let code: Code
    private let scaleType: ScaleType
    /// Rows and columns that share a scale.
    private let block: (rows: Int, columns: Int)
    private let factor: Float

    /// - Parameters:
    ///   - block: rows and columns that share a scale; `Int.max` for all of them.
    ///   - factor: that every product is multiplied by, with a rounding of its own.
    /// - Throws: where rows are no whole bytes, or the shape is no matrix.
    package init(
        _ name: String, _ code: Code, shape: Shape, block: (rows: Int, columns: Int), scales: ScaleType, factor: Float = 1,
        scalarType: ScalarType
    ) throws(QuantizationError) {
        guard shape.dimensions.count == 2, shape.elementCount > 0 else { throw QuantizationError("shape \(shape) is no matrix") }
        let columns = min(block.columns, shape.dimensions[1])
        guard shape.dimensions[1] % code.perByte == 0, columns % code.perByte == 0 || columns == shape.dimensions[1] else {
            throw QuantizationError("rows of \(shape.dimensions[1]) in runs of \(columns) are no whole bytes of two codes")
        }
        self.name = name
        self.code = code
        self.shape = shape
        self.block = (min(block.rows, shape.dimensions[0]), columns)
        scaleType = scales
        self.factor = factor
        self.scalarType = scalarType
    }

    package var words: String {
        switch code {
        case .e4m3, .e5m2: "FP8, 8 bits"
        case .int8: "INT8, 8 bits"
        case .e2m1: "FP4, 4 bits"
        }
    }

    package var granularity: Int { code.perByte }

    /// Scales of a row, and rows of scales.
    private var grid: (rows: Int, columns: Int) {
        let dimensions = shape.dimensions
        return ((dimensions[0] + block.rows - 1) / block.rows, (dimensions[1] + block.columns - 1) / block.columns)
    }

    package func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        precondition(range.upperBound <= shape.elementCount && range.lowerBound % code.perByte == 0, "\(range) of \(shape)")
        guard !range.isEmpty, let destination = values.baseAddress else { return }
        let columns = shape.dimensions[1], scaleColumns = grid.columns
        let codes = try parts.bytes(ofPart: 0, range.lowerBound / code.perByte..<(range.upperBound + code.perByte - 1) / code.perByte)
        let firstScaleRow = range.lowerBound / columns / block.rows
        let endScaleRow = (range.upperBound - 1) / columns / block.rows + 1
        let scales = try scales(firstScaleRow * scaleColumns..<endScaleRow * scaleColumns, of: parts)
        codes.withUnsafeBufferPointer { codes in
            scales.withUnsafeBufferPointer { scales in
                guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
                var start = range.lowerBound
                while start < range.upperBound {
                    let (row, column) = start.quotientAndRemainder(dividingBy: columns)
                    let end = min(range.upperBound, start + columns - column), done = start - range.lowerBound
                    let scaleRow = row / block.rows - firstScaleRow
                    qk_scaledCodes(
                        code.kernel, codes + done / code.perByte, end - start, column % block.columns, block.columns,
                        scales + scaleRow * scaleColumns + column / block.columns, nil, factor, destination + done)
                    start = end
                }
            }
        }
    }

    private func scales(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> [Float] {
        switch scaleType {
        case .powerOfTwo: return try parts.bytes(ofPart: 1, range).map(MXFP4.scale)
        case .float(let type): return try parts.numbers(ofPart: 1, range, type)
        }
    }
}

extension StoredParts {
    /// Elements `range` of a part of F32, F16 or BF16.
    func numbers(ofPart part: Int, _ range: Range<Int>, _ type: ScalarType) throws(FileError) -> [Float] {
        let width = type.bitCount / 8
        let bytes = try bytes(ofPart: part, range.lowerBound * width..<range.upperBound * width)
        var values = [Float](repeating: 0, count: range.count)
        var span = values.mutableSpan
        FloatConversion.widen(bytes.span.bytes, of: type, into: &span)
        return values
    }
}
