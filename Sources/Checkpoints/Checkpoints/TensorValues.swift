package import ByteIO
package import TensorCore

extension TensorSource {
    /// Whether a stored tensor holds the values of another, whatever the types: as `torch.equal` sees it, or as `isSame` does.
    ///
    /// Both are read up to the first difference. Types that are no plain numbers are compared by their bytes.
    package func holdsSameValues(
        _ tensor: Int, as other: any TensorSource, _ otherTensor: Int, isSame: (Float, Float) -> Bool = { $0 == $1 }
    ) throws(FileError) -> Bool {
        let (a, b) = (tensors[tensor], other.tensors[otherTensor])
        guard a.shape == b.shape else { return false }
        let areNumbers = a.scalarType.kernelType != nil && b.scalarType.kernelType != nil
        guard areNumbers || a.scalarType == b.scalarType && a.scalarType.bitCount % 8 == 0 else { return false }
        let step = 1 << 18
        for start in stride(from: 0, to: a.elementCount, by: step) {
            let elements = start..<min(start + step, a.elementCount)
            let left = try elementBytes(tensor, elements), right = try other.elementBytes(otherTensor, elements)
            if a.scalarType == b.scalarType, left == right { continue }
            guard areNumbers else { return false }
            let pairs = zip(floats(left, of: a.scalarType), floats(right, of: b.scalarType))
            guard pairs.allSatisfy({ isSame($0, $1) }) else { return false }
        }
        return true
    }

    private func elementBytes(_ tensor: Int, _ elements: Range<Int>) throws(FileError) -> [UInt8] {
        let width = tensors[tensor].scalarType.bitCount / 8
        return try bytes(ofTensor: tensor, elements.lowerBound * width..<elements.upperBound * width)
    }

    private func floats(_ bytes: [UInt8], of type: ScalarType) -> [Float] {
        var values = [Float](repeating: 0, count: bytes.count * 8 / type.bitCount)
        var span = values.mutableSpan
        FloatConversion.widen(bytes.span.bytes, of: type, into: &span)
        return values
    }
}
