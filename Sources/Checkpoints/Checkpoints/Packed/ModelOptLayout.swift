import ByteIO
import Quantization
import TensorCore

/// 4-bit floats as NVIDIA's modelopt stores them.
///
///     P.weight          U8 [out, in / 2]         two codes in a byte, the first in the lower half
///     P.weight_scale    F8_E4M3 [out, in / 16]   P.weight_scale_2   F32 []
struct ModelOptLayout: TensorLayout {
    private static let codesEnd = ".weight"
    /// What inputs are multiplied with before they meet the weight: with it, the weight alone is not the layer.
    private static let inputScales = [".pre_quant_scale", ".input_quantizer._pre_quant_scale"]

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        let parts = PartChecks(source: source, context: context)
        var modelType: ScalarType?
        for (index, info) in source.tensors.enumerated() where info.scalarType == .u8 && info.name.hasSuffix(Self.codesEnd) {
            let module = String(info.name.dropLast(Self.codesEnd.count))
            guard let factor = context.place(of: module + ".weight_scale_2") else { continue }
            if let inputScale = Self.inputScales.first(where: { context.place(of: module + $0) != nil }) {
                findings.refusal = ForeignWeights(
                    kind: .packed, name: "NVFP4 (modelopt)", place: ForeignWeights.tensorPlace(info.name),
                    message: "holds codes of NVFP4 for inputs that '\(module + inputScale)' has scaled, which is not read",
                    hint: "start from the dense model")
                return findings
            }
            let type = modelType ?? parts.modelType()
            modelType = type
            let found = try FourBitFloats(module: module, codes: index, parts).modelOptWeight(type, factor: factor)
            findings.add(info.name, found.encoding, parts: found.parts, place: index, context)
        }
        return findings
    }
}
