import Quantization
import TensorCore

/// A whole tensor quantized in one call, and its way back.
struct Quantized {
    let packed: [UInt8]
    let absmax: [Float]
    let firstNonFinite: Int?

    init(_ bytes: [UInt8], of scalarType: ScalarType, as quantType: QuantType, blockSize: Int) {
        let count = bytes.count / (scalarType.bitCount / 8)
        var packed = [UInt8](repeating: 0xaa, count: (count + 1) / 2)
        var absmax = [Float](repeating: .nan, count: (count + blockSize - 1) / blockSize)
        var codes = packed.mutableSpan, scales = absmax.mutableSpan
        var codeBytes = codes.mutableBytes
        firstNonFinite = BlockQuantizer.quantize(
            bytes.span.bytes, of: scalarType, as: quantType, blockSize: blockSize, packed: &codeBytes, absmax: &scales)
        self.packed = packed
        self.absmax = absmax
    }

    init(_ values: [Float], as quantType: QuantType = .nf4, blockSize: Int = 64) {
        self.init(bytes(of: values), of: .f32, as: quantType, blockSize: blockSize)
    }

    func dequantized(
        _ count: Int, quantMap: QuantMap, blockSize: Int, to scalarType: ScalarType, absmax other: [Float]? = nil
    ) -> [UInt8] {
        var result = [UInt8](repeating: 0xaa, count: count * scalarType.bitCount / 8)
        var span = result.mutableSpan
        var destination = span.mutableBytes
        let absmax = other ?? absmax
        BlockDequantizer.dequantize(
            packed.span.bytes, absmax: absmax.span, quantMap: quantMap, blockSize: blockSize, to: scalarType,
            into: &destination)
        return result
    }
}

func bytes(of values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

extension NestedAbsmax {
    func restored(map: [Float] = DynamicMap.values) throws -> [Float] {
        var absmax = [Float](repeating: .nan, count: codes.count)
        var span = absmax.mutableSpan
        DoubleQuantization.dequantize(
            codes.span.bytes, firstBlock: 0, nestedAbsmax: nestedAbsmax.span, map: map.span,
            nested: try QuantState.Nested(offset: offset), into: &span)
        return absmax
    }
}
