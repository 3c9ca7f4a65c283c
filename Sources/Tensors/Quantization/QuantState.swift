package import TensorCore

/// What has to be known about a quantized weight besides its codes and absmax values: bitsandbytes' "quant state".
///
/// The weight's elements are taken row by row as one sequence, cut into blocks: a block may span two rows. Of several matrices of one
/// size, the experts of a layer, each is whole blocks.
package struct QuantState: Hashable, Sendable {
    /// Quantization of the absmax values.
    package struct Nested: Hashable, Sendable {
        /// Absmax values that share one nested absmax; 256 in everything bitsandbytes writes.
        package let blockSize: Int
        /// Was subtracted from each absmax before quantizing, is added when dequantizing.
        package let offset: Float

        /// - Throws: for a block size below 1 and an offset that is not finite.
        package init(blockSize: Int = QuantizationSettings.nestedBlockSize, offset: Float) throws(QuantizationError) {
            guard blockSize > 0 else { throw QuantizationError("nested block size \(blockSize) is not positive") }
            guard offset.isFinite else { throw QuantizationError("nested offset \(offset) is not finite") }
            self.blockSize = blockSize
            self.offset = offset
        }
    }

    package let quantType: QuantType
    package let blockSize: Int
    /// Of the weight that was quantized: F32, F16 or BF16. Dequantizing gives this type.
    package let scalarType: ScalarType
    /// Of the weight: rows (outputs), columns (inputs); of several matrices their number first.
    package let shape: Shape
    package let nested: Nested?

    /// - Throws: where the values cannot belong to a weight that bitsandbytes quantized.
    /// The type a quantized weight is recorded to have had: bitsandbytes knows three.
    ///
    /// F64 is read as F32; 8-bit floats widen exactly to bfloat16, the type such models compute in.
    package static func recordedType(of type: ScalarType) -> ScalarType {
        switch type {
        case .f32, .f16, .bf16: type
        case .f8e4m3, .f8e5m2: .bf16
        default: .f32
        }
    }

    package init(
        quantType: QuantType, blockSize: Int, scalarType: ScalarType, shape: [Int], nested: Nested?
    ) throws(QuantizationError) {
        guard QuantizationSettings.isValid(blockSize: blockSize) else {
            throw QuantizationError("block size \(blockSize) is not a power of two from 32 to 4096")
        }
        guard scalarType.isNarrowable else {
            throw QuantizationError("scalar type \(scalarType.rawValue) is not F32, F16 or BF16")
        }
        guard shape.count == 2 || shape.count == 3 else {
            throw QuantizationError("shape \(shape) has \(shape.count) dimensions, not 2")
        }
        guard let known = Shape(shape), known.elementCount > 0 else {
            throw QuantizationError("shape \(shape) is empty, negative or too large")
        }
        guard Self.areWholeBlocks(shape, blockSize: blockSize) else {
            throw QuantizationError(
                "matrices of \(shape[1] * shape[2]) elements are no whole blocks of \(blockSize): a block would belong to two of them")
        }
        self.quantType = quantType
        self.blockSize = blockSize
        self.scalarType = scalarType
        self.shape = known
        self.nested = nested
    }

    /// Whether a weight of this shape can be quantized: of several matrices each has to be whole blocks.
    ///
    /// - Parameter shape: not empty, and known to have a countable number of elements.
    package static func areWholeBlocks(_ shape: [Int], blockSize: Int) -> Bool {
        shape.count != 3 || (shape[1] * shape[2]).isMultiple(of: blockSize)
    }

    /// Matrices [out, in] that the weight consists of.
    package var matrixCount: Int { shape.dimensions.count == 3 ? shape.dimensions[0] : 1 }

    package var isDoubleQuantized: Bool { nested != nil }

    package var elementCount: Int { shape.elementCount }

    /// Blocks, the last of which may be partial: the number of absmax values.
    package var blockCount: Int { Self.ceilingDivide(elementCount, by: blockSize) }

    /// Bytes of the packed codes, two elements in each.
    package var packedByteCount: Int { Self.ceilingDivide(elementCount, by: 2) }

    /// Number of nested absmax values; 0 without double quantization.
    package var nestedBlockCount: Int {
        guard let nested else { return 0 }
        return Self.ceilingDivide(blockCount, by: nested.blockSize)
    }

    /// Never overflows.
    private static func ceilingDivide(_ count: Int, by divisor: Int) -> Int {
        count / divisor + (count % divisor == 0 ? 0 : 1)
    }
}
