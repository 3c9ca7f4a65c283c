import ByteIO
import JSONText
import Quantization
import TensorCore

/// Experts in MXFP4, as gpt-oss stores them: `P_blocks` and `P_scales` for the weight `P` of all experts of a layer.
///
///     P_blocks   U8 [experts, out, in / 32, 16]        P_scales   U8 [experts, out, in / 32]
struct MXFP4Layout: TensorLayout {
    /// `quant_method` of config.json.
    static let method = "mxfp4"
    private static let (codesEnd, scalesEnd) = ("_blocks", "_scales")

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        let infos = source.tensors
        var findings = LayoutFindings()
        for index in infos.indices where infos[index].scalarType == .u8 && infos[index].name.hasSuffix(Self.codesEnd) {
            let name = String(infos[index].name.dropLast(Self.codesEnd.count))
            guard ExpertStacks.isStack(name), let scales = context.place(of: name + Self.scalesEnd) else { continue }
            let shape = try Self.shape(infos[index], infos[scales], path: source.path)
            let encoding: MXFP4
            do throws(QuantizationError) { encoding = try MXFP4(shape: shape) } catch {
                throw FileError(source.path, at: "tensor '\(infos[index].name)'", error.message)
            }
            findings.add(name, encoding, parts: [index, scales], place: index, context)
        }
        return findings
    }

    /// [experts, out, in] by what both parts say.
    private static func shape(_ codes: TensorInfo, _ scales: TensorInfo, path: String) throws(FileError) -> Shape {
        let dimensions = codes.shape.dimensions
        guard dimensions.count == 4, dimensions[3] == MXFP4.blockSize / 2 else {
            throw FileError(
                path, at: "tensor '\(codes.name)'",
                "has shape \(codes.shape), but codes of MXFP4 are [experts, out, in / \(MXFP4.blockSize), \(MXFP4.blockSize / 2)]")
        }
        guard scales.scalarType == .u8, scales.shape.dimensions == Array(dimensions.dropLast()) else {
            throw FileError(
                path, at: "tensor '\(scales.name)'",
                "is \(scales.scalarType.rawValue) \(scales.shape), but U8 \(Array(dimensions.dropLast())) belongs to '\(codes.name)'")
        }
        let (inputs, overflows) = dimensions[2].multipliedReportingOverflow(by: MXFP4.blockSize)
        guard !overflows, let shape = Shape([dimensions[0], dimensions[1], inputs]), shape.elementCount > 0 else {
            throw FileError(path, at: "tensor '\(codes.name)'", "shape \(codes.shape) is empty or too large")
        }
        return shape
    }
}
