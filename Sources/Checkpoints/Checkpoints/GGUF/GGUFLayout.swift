import ByteIO
import Quantization
import TensorCore

/// Weights of GGUF files: rows of blocks, and dense matrices of families whose dense matrices lie the other way elsewhere.
struct GGUFLayout: TensorLayout {
    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        guard let source = source as? any BlockSource else { return LayoutFindings() }
        var findings = LayoutFindings()
        for (index, info) in source.tensors.enumerated() {
            let isTurned = context.orientation(info.name) == .inputsByOutputs
            guard let encoding = try encoding(of: index, in: source, isTurned: isTurned) else { continue }
            findings.add(info.name, encoding, parts: [index], place: index, context)
        }
        return findings
    }

    private func encoding(of index: Int, in source: any BlockSource, isTurned: Bool) throws(FileError) -> (any WeightEncoding)? {
        let info = source.tensors[index]
        guard let (type, shape) = source.blocks(ofTensor: index) else {
            return isTurned && (2...3).contains(info.shape.dimensions.count)
                ? DenseRows(scalarType: info.scalarType, shape: info.shape) : nil
        }
        guard let format = BlockFormat(identifier: UInt32(type)) else {
            throw FileError(source.path, at: "tensor '\(info.name)'", "is of ggml's type \(type), which is not read")
        }
        do throws(QuantizationError) {
            // Decoded exactly: no type of 16 bits holds the products of scales and codes.
            return try BlockEncoding(format, shape: shape, scalarType: .f32)
        } catch { throw FileError(source.path, at: "tensor '\(info.name)'", error.message) }
    }
}

/// A dense weight [out, in], or several, of a family that has it as [in, out] elsewhere.
private struct DenseRows: WeightEncoding {
    let scalarType: ScalarType
    let shape: Shape

    var name: String { scalarType.rawValue }
    var granularity: Int { 1 }

    func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        let width = scalarType.bitCount / 8
        let bytes = try parts.bytes(ofPart: 0, range.lowerBound * width..<range.upperBound * width)
        var floats = UnsafeMutableBufferPointer(rebasing: values[..<range.count]).mutableSpan
        FloatConversion.widen(bytes.span.bytes, of: scalarType, into: &floats)
    }
}
