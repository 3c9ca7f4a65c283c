package import CKernels
package import Quantization
package import TensorCore

/// A linear layer's weight (or an embedding table) in the memory and form in which it is stored: nothing is copied.
///
/// `inputCount` is what a row of x has, `outputCount` what a row of y = x W^T has.
package struct WeightMatrix: @unchecked Sendable {
    /// As stored.
    package let stored: qk_matrix
    /// What the rows of `stored` are; 4-bit elements lie by outputs.
    package let orientation: Orientation
    /// Keeps the memory alive that `stored` points into.
    private let owner: AnyObject?

    package var outputCount: Int { orientation == .outputsByInputs ? stored.rowCount : stored.columnCount }
    package var inputCount: Int { orientation == .outputsByInputs ? stored.columnCount : stored.rowCount }

    /// Whether `MatrixEngine.Precision.balanced` differs from `exact`: rows of 4-bit codes must be whole groups of 64 elements in
    /// blocks of at least as many, blocks of GGUF files of Q4_0 to Q5_1, Q8_0, or Q4_K to Q6_K.
    package var hasIntegerProducts: Bool { withUnsafePointer(to: stored) { qk_matmul16_supports($0) } }

    /// Whether `fast` differs from `balanced` for few rows of x: the same of 4-bit codes, not of blocks of GGUF files.
    package var hasByteProducts: Bool { withUnsafePointer(to: stored) { qk_matmul8_supports($0) } }

    init(stored: qk_matrix, orientation: Orientation, owner: AnyObject?) {
        self.stored = stored
        self.orientation = orientation
        self.owner = owner
    }

    /// Elements of f32, f16 or bf16 (f64 and f8 as well, more slowly).
    ///
    /// - Parameters:
    ///   - elements: as `orientation` says, row by row, at any alignment.
    ///   - owner: is kept as long as this value; nil where the caller sees to that.
    package init(
        dense elements: UnsafeRawBufferPointer, of scalarType: ScalarType, outputCount: Int, inputCount: Int,
        orientation: Orientation = .outputsByInputs, owner: AnyObject? = nil
    ) {
        guard let type = scalarType.kernelType else { preconditionFailure("\(scalarType) is no type of weights") }
        precondition(
            outputCount > 0 && inputCount > 0
                && scalarType.byteCount(elementCount: outputCount * inputCount) == elements.count,
            "\(elements.count) bytes for [\(outputCount), \(inputCount)] of \(scalarType.rawValue)")
        var matrix = qk_matrix()
        matrix.storage = QK_MATRIX_DENSE
        matrix.type = type
        matrix.values = elements.baseAddress?.assumingMemoryBound(to: UInt8.self)
        (matrix.rowCount, matrix.columnCount) = orientation == .outputsByInputs ? (outputCount, inputCount) : (inputCount, outputCount)
        self.init(stored: matrix, orientation: orientation, owner: owner)
    }

    /// Constants of the blocks of a 4-bit weight.
    package enum Constants {
        /// Float32 of each block.
        case plain(UnsafeRawBufferPointer)
        /// Double quantization: a code for each block, a float32 for each nested block, the map of 256 float32.
        case nested(codes: UnsafeRawBufferPointer, absmax: UnsafeRawBufferPointer, map: UnsafeRawBufferPointer, QuantState.Nested)
    }

    /// 4-bit codes of a weight [out, in], with the sizes that its quant state gives.
    ///
    /// - Parameters:
    ///   - codes: two elements a byte, the first in the high nibble.
    ///   - quantMap: the checkpoint's own, through `decodingMap(for:)`.
    ///   - number: of the matrix, in a weight that is several.
    package init(
        codes: UnsafeRawBufferPointer, constants: Constants, quantMap: QuantMap, state: QuantState, number: Int = 0,
        owner: AnyObject? = nil
    ) {
        precondition(codes.count == state.packedByteCount, "\(codes.count) bytes of codes, not \(state.packedByteCount)")
        precondition((0..<state.matrixCount).contains(number), "no matrix \(number) of \(state.matrixCount)")
        let dimensions = state.shape.dimensions.suffix(2), elementCount = state.elementCount / state.matrixCount
        // Blocks of several matrices end with each of them.
        let firstBlock = number * (elementCount / state.blockSize)
        var matrix = qk_matrix()
        matrix.storage = QK_MATRIX_PACKED4
        matrix.values = codes.baseAddress.map { ($0 + number * (elementCount / 2)).assumingMemoryBound(to: UInt8.self) }
        matrix.rowCount = dimensions[dimensions.startIndex]
        matrix.columnCount = dimensions[dimensions.startIndex + 1]
        matrix.blockSize = state.blockSize
        withUnsafeMutableBytes(of: &matrix.quantMap) { map in
            quantMap.values.span.withUnsafeBytes { map.copyMemory(from: $0) }
        }
        switch constants {
        case .plain(let absmax):
            precondition(absmax.count == 4 * state.blockCount, "\(absmax.count) bytes of absmax for \(state.blockCount) blocks")
            matrix.absmax = absmax.baseAddress.map { ($0 + 4 * firstBlock).assumingMemoryBound(to: UInt8.self) }
        case .nested(let codes, let absmax, let map, let nested):
            let nestedCount = (state.blockCount - 1) / nested.blockSize + 1
            precondition(
                codes.count == state.blockCount && absmax.count == 4 * nestedCount && map.count == 4 * 256,
                "\(codes.count), \(absmax.count) and \(map.count) bytes of nested constants for \(state.blockCount) blocks")
            matrix.absmaxCodes = codes.baseAddress.map { ($0 + firstBlock).assumingMemoryBound(to: UInt8.self) }
            matrix.nestedStart = firstBlock
            matrix.nestedAbsmax = absmax.baseAddress?.assumingMemoryBound(to: UInt8.self)
            matrix.nestedMap = map.baseAddress?.assumingMemoryBound(to: UInt8.self)
            matrix.nestedBlockSize = nested.blockSize
            matrix.offset = nested.offset
        }
        qk_matmul8_prepare(&matrix)
        self.init(stored: matrix, orientation: .outputsByInputs, owner: owner)
    }

    /// Blocks of GGUF files: rows [in] of whole blocks, one for each output.
    ///
    /// - Parameters:
    ///   - blocks: at any alignment. Every bit pattern is a valid block.
    ///   - owner: is kept as long as this value; nil where the caller sees to that.
    package init(
        blocks: UnsafeRawBufferPointer, of format: BlockFormat, outputCount: Int, inputCount: Int, owner: AnyObject? = nil
    ) {
        guard outputCount > 0, inputCount > 0, let rowBytes = format.byteCount(elementCount: inputCount) else {
            preconditionFailure("[\(outputCount), \(inputCount)] has no rows of whole blocks of \(format.name)")
        }
        precondition(
            blocks.count == outputCount * rowBytes,
            "\(blocks.count) bytes for \(outputCount) rows of \(rowBytes) in \(format.name)")
        var matrix = qk_matrix()
        matrix.storage = QK_MATRIX_BLOCKS
        matrix.blockFormat = format.kernel
        matrix.values = blocks.baseAddress?.assumingMemoryBound(to: UInt8.self)
        (matrix.rowCount, matrix.columnCount) = (outputCount, inputCount)
        self.init(stored: matrix, orientation: .outputsByInputs, owner: owner)
    }

    /// MXFP4: rows [in] of whole blocks, one for each output.
    ///
    /// - Parameters:
    ///   - codes: [out, in / 2], two elements a byte; `scales`: [out, in / 32].
    ///   - owner: is kept as long as this value; nil where the caller sees to that.
    package init(
        codes: UnsafeRawBufferPointer, scales: UnsafeRawBufferPointer, ofMXFP4 outputCount: Int, inputCount: Int, owner: AnyObject? = nil
    ) {
        precondition(
            inputCount % MXFP4.blockSize == 0 && codes.count == outputCount * inputCount / 2
                && scales.count == outputCount * inputCount / MXFP4.blockSize,
            "\(codes.count) and \(scales.count) bytes for [\(outputCount), \(inputCount)] in MXFP4")
        var matrix = qk_matrix()
        matrix.storage = QK_MATRIX_MXFP4
        matrix.values = codes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        matrix.absmax = scales.baseAddress?.assumingMemoryBound(to: UInt8.self)
        (matrix.rowCount, matrix.columnCount) = (outputCount, inputCount)
        withUnsafeMutableBytes(of: &matrix.quantMap) { map in
            MXFP4.values.withUnsafeBytes { map.copyMemory(from: $0) }
        }
        self.init(stored: matrix, orientation: .outputsByInputs, owner: owner)
    }

    /// Of 4-bit codes of [out, in], how many elements share a constant; nil of everything else.
    package var blockSize: Int? { stored.storage == QK_MATRIX_PACKED4 ? stored.blockSize : nil }

    /// The constants of the blocks in order, as they are multiplied by; none of what has no 4-bit codes.
    package var constants: [Float] {
        guard let blockSize else { return [] }
        let blockCount = (stored.rowCount * stored.columnCount - 1) / blockSize + 1
        return [Float](unsafeUninitializedCapacity: blockCount) { constants, count in
            withUnsafePointer(to: stored) { qk_matrix_scales($0, 0, blockCount, constants.baseAddress) }
            count = blockCount
        }
    }

    /// The same codes with other constants.
    ///
    /// - Parameters:
    ///   - constants: as many as there are; they are read anew for each product.
    ///   - owner: keeps them.
    /// - Precondition: 4-bit codes
    package func replacingConstants(_ constants: UnsafePointer<Float>, owner: AnyObject) -> WeightMatrix {
        precondition(blockSize != nil, "only 4-bit codes have constants")
        var matrix = stored
        matrix.absmax = UnsafeRawPointer(constants).assumingMemoryBound(to: UInt8.self)
        (matrix.absmaxCodes, matrix.nestedAbsmax, matrix.nestedMap, matrix.nestedStart) = (nil, nil, nil, 0)
        return WeightMatrix(stored: matrix, orientation: orientation, owner: Owners(codes: self.owner, constants: owner))
    }

    private final class Owners {
        private let codes: AnyObject?
        private let constants: AnyObject

        init(codes: AnyObject?, constants: AnyObject) {
            self.codes = codes
            self.constants = constants
        }
    }

    /// Elements of one output (row of [out, in]) as float32: an embedding, for instance.
    ///
    /// - Parameter destination: `inputCount` floats.
    package func readRow(_ row: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        precondition(row >= 0 && row < outputCount && destination.count == inputCount, "no row \(row), or not \(inputCount) floats")
        withUnsafePointer(to: stored) { matrix in
            guard orientation == .inputsByOutputs else { return qk_matrix_expand(matrix, row, 0, inputCount, destination.baseAddress) }
            for input in 0..<inputCount { qk_matrix_expand(matrix, input, row, 1, destination.baseAddress.map { $0 + input }) }
        }
    }

    /// Rows of [out, in] as float32, one after the other.
    package func readRows(_ rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) {
        precondition(destination.count == rows.count * inputCount, "\(destination.count) floats for \(rows.count) rows of \(inputCount)")
        for (i, row) in rows.enumerated() {
            readRow(row, into: UnsafeMutableBufferPointer(rebasing: destination[i * inputCount..<(i + 1) * inputCount]))
        }
    }
}
