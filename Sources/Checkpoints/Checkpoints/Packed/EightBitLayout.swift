import ByteIO
import Quantization
import TensorCore

/// Weights of 8-bit integers, as bitsandbytes stores them:
///
///     P.weight          I8  [out, in]
///     P.SCB             F32 [out]      the largest magnitude of each row
///     P.weight_format   U8  []         0: row by row; others are the order of a GPU, which versions before 0.45 wrote
struct EightBitLayout: TensorLayout {
    private static let (weightEnd, scaleEnd, formatEnd) = (".weight", ".SCB", ".weight_format")
    /// 1 / 127, as bitsandbytes has it: not quite the float32 nearest to that.
    static let factor = Float(bitPattern: 0x3c01_0204)

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        for (index, info) in source.tensors.enumerated() where info.scalarType == .i8 && info.name.hasSuffix(Self.weightEnd) {
            let module = String(info.name.dropLast(Self.weightEnd.count))
            let format = context.place(of: module + Self.formatEnd)
            guard context.place(of: module + Self.scaleEnd) != nil || format != nil else { continue }
            let scales = try context.requiredPlace(of: module + Self.scaleEnd, beside: index)
            if let format, let refusal = try Self.refusal(of: format, in: source) {
                findings.refusal = findings.refusal ?? refusal
                continue
            }
            let scaleInfo = source.tensors[scales]
            guard info.shape.dimensions.count == 2, scaleInfo.scalarType == .f32, scaleInfo.shape.dimensions == [info.shape.dimensions[0]]
            else {
                throw FileError(
                    source.path, at: "tensor '\(scaleInfo.name)'",
                    "is \(scaleInfo.scalarType.rawValue) \(scaleInfo.shape), but F32 [\(info.shape.dimensions.first ?? 1)] belongs to "
                        + "'\(info.name)' of I8 \(info.shape)")
            }
            do throws(QuantizationError) {
                let columns = info.shape.dimensions[1]
                let encoding = try GroupedWeight(
                    name: "INT8/row", scalarType: .f32, shape: info.shape, codes: .int8, rowByteCount: columns, arithmetic: .scaledTwice,
                    scales: GroupConstants(.numbers(.f32), part: 1, groupsPerRow: 1),
                    offsets: GroupConstants(.constant(Self.factor), part: 0, groupsPerRow: 1), groupSize: columns, words: "INT8, 8 bits")
                findings.add(info.name, encoding, parts: [index, scales], place: index, context)
            } catch { throw FileError(source.path, at: "tensor '\(info.name)'", error.message) }
        }
        return findings
    }

    /// What is said of weights in the order of a GPU.
    private static func refusal(of format: Int, in source: any TensorSource) throws(FileError) -> ForeignWeights? {
        let info = source.tensors[format]
        guard info.scalarType == .u8, info.elementCount == 1 else {
            throw FileError(
                source.path, at: "tensor '\(info.name)'", "is \(info.scalarType.rawValue) \(info.shape), but one number of U8 is expected")
        }
        let order = try source.bytes(ofTensor: format)[0]
        guard order != 0 else { return nil }
        return ForeignWeights(
            kind: .packed, name: "bitsandbytes 8-bit in the order of a GPU", place: ForeignWeights.tensorPlace(info.name),
            message: "is \(order): the weights lie in the order of a GPU, but only 0 (row by row) is read",
            hint: "save the model again with bitsandbytes 0.45 or later, or start from the dense model")
    }
}
