import ByteIO
import JSONText
import Quantization
import TensorCore

/// Weights that MLX quantized: linear layers, embeddings and heads alike.
///
///     P.weight   U32 [..., out, in * bits / 32]    codes of a row, the lowest bits first
///     P.scales       [..., out, in / group]        of the model's type; U8 where the codes are floats
///     P.biases       [..., out, in / group]        of the same type; none where the codes are floats
///
/// Bits and groups stand in config.json alone: the shapes of the parts are those of several.
struct MLXLayout: TensorLayout {
    private static let (codesEnd, scalesEnd, biasesEnd) = (".weight", ".scales", ".biases")

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        let statement = context.quantization.statements.first { $0.method?.lowercased() == MLXSettings.method }
        let parts = PartChecks(source: source, context: context)
        var denseType: ScalarType?
        for (index, info) in source.tensors.enumerated() where info.scalarType == .u32 && info.name.hasSuffix(Self.codesEnd) {
            let module = String(info.name.dropLast(Self.codesEnd.count))
            guard let scales = context.place(of: module + Self.scalesEnd) else { continue }
            guard let statement else {
                findings.refusal = Self.unstated(info.name)
                return findings
            }
            let settings: MLXSettings
            do throws(QuantizationError) { settings = try MLXSettings(statement.settings, module: module) } catch {
                throw statement.refusal(source.path, error.message)
            }
            guard context.place(of: module + ".global_scale") == nil else {
                throw parts.refusal(
                    index, "has '\(module).global_scale' beside it, which is not known of MLX",
                    hint: "start from the dense model, or dequantize this one with mlx_lm.convert")
            }
            let biases =
                settings.mode == .affine ? try context.requiredPlace(of: module + Self.biasesEnd, beside: index) : nil
            if settings.mode != .affine, denseType == nil { denseType = parts.modelType() }
            let encoding = try encoding(settings, index, scales, biases, denseType, parts)
            findings.add(info.name, encoding, parts: [index, scales] + (biases.map { [$0] } ?? []), place: index, context)
        }
        return findings
    }

    private static func unstated(_ name: String) -> ForeignWeights {
        ForeignWeights(
            kind: .packed, name: "MLX", place: ForeignWeights.tensorPlace(name),
            message: "holds codes of MLX, of which the configuration alone says how many bits they have, and it is not there",
            hint: "name the folder that the model came in, with its config.json")
    }

    /// - Parameter denseType: of the decoded elements where scales have none.
    private func encoding(
        _ settings: MLXSettings, _ codes: Int, _ scales: Int, _ biases: Int?, _ denseType: ScalarType?, _ parts: PartChecks
    ) throws(FileError) -> GroupedWeight {
        let dimensions = parts.info(codes).shape.dimensions
        guard dimensions.count == 2 || dimensions.count == 3 else {
            throw parts.refusal(codes, "has shape \(parts.info(codes).shape), but codes of MLX are [out, words] or [experts, out, words]")
        }
        let words = dimensions[dimensions.count - 1], leading = dimensions.dropLast()
        let groupBits = settings.groupSize * settings.bits, (bits, overflows) = words.multipliedReportingOverflow(by: 32)
        guard !overflows, words > 0, bits % groupBits == 0 else {
            throw parts.refusal(
                codes, "has rows of \(words) words, which are no whole groups of \(settings.groupSize) codes of \(settings.bits) bits",
                hint: Self.hint)
        }
        let groups = bits / groupBits
        guard parts.info(scales).shape.dimensions == leading + [groups] else {
            throw parts.refusal(
                scales,
                "has shape \(parts.info(scales).shape), but codes of \(settings.bits) bits in groups of \(settings.groupSize) have "
                    + "\(leading + [groups]) where '\(parts.info(codes).name)' is \(parts.info(codes).shape)", hint: Self.hint)
        }
        try parts.check(scales, settings.mode == .affine ? [.bf16, .f16, .f32] : [.u8], [leading + [groups]], of: codes)
        if let biases { try parts.check(biases, [parts.info(scales).scalarType], [leading + [groups]], of: codes) }
        let shape = try parts.shape(leading, columns: groups * settings.groupSize, of: codes)
        let type = settings.mode == .affine ? parts.info(scales).scalarType : denseType ?? .bf16
        return try parts.encoding(of: codes) { () throws(QuantizationError) in
            try settings.encoding(shape: shape, type: type, groupsPerRow: groups)
        }
    }

    private static let hint = "config.json states other bits or groups than these weights have: fetch both again"
}
