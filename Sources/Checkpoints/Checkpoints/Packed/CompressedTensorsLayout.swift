import ByteIO
import JSONText
import Quantization
import TensorCore

/// Weights as the library compressed-tensors stores them (llm-compressor, vLLM), but for float8.
///
///     P.weight_packed         I32 [out, words]      integers of 2 to 8 bits
///     P.weight_scale                                of all, of a row, of groups or of blocks
///     P.weight_shape          I64 [2]               out, in
///     P.weight_zero_point     I32 [words, groups]   only where zero is not in the middle
///     P.weight_g_idx          I32 [in]              only where groups are no runs of columns
///
///     P.weight_packed         U8 [out, in / 2]      4-bit floats
///     P.weight_scale          F8_E4M3 [out, in / 16], with P.weight_global_scale F32 [1]       (NVFP4)
///                             U8 [out, in / 32]                                                (MXFP4)
///
///     P.weight                I8 [out, in], with P.weight_scale, and perhaps P.weight_zero_point I8
struct CompressedTensorsLayout: TensorLayout {
    private static let (packedEnd, bytesEnd) = (".weight_packed", ".weight")

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        let parts = PartChecks(source: source, context: context)
        let statement = context.quantization.statements.first { $0.method?.lowercased() == CompressedTensorsSchemes.method }
        let schemes = statement.map { CompressedTensorsSchemes($0.settings) } ?? .none
        // Other programs call parts of bytes alike; what is stated to be theirs is.
        let isOwn = statement != nil || context.quantization.statements.allSatisfy { $0.method == nil }
        var modelType: ScalarType?
        for (index, info) in source.tensors.enumerated() {
            let isPacked = info.name.hasSuffix(Self.packedEnd)
            let isBytes = info.scalarType == .i8 && isOwn && info.name.hasSuffix(Self.bytesEnd)
            guard isPacked || isBytes else { continue }
            let module = String(info.name.dropLast((isPacked ? Self.packedEnd : Self.bytesEnd).count))
            guard isPacked || context.place(of: module + ".weight_scale") != nil else { continue }
            if let obstacle = schemes.obstacle {
                findings.refusal = Self.refusal(info.name, obstacle)
                return findings
            }
            let found: (encoding: GroupedWeight, parts: [Int])
            switch info.scalarType {
            case .i32: found = try PackedIntegers(module: module, codes: index, parts).weight(schemes)
            case .i8 where isBytes: found = try IntegerBytes(module: module, codes: index, parts).weight(schemes)
            case .u8 where isPacked:
                let type = modelType ?? parts.modelType()
                modelType = type
                found = try FourBitFloats(module: module, codes: index, parts).weight(type)
            default: throw parts.refusal(index, "is \(info.scalarType.rawValue), but packed codes are I32 or U8")
            }
            findings.add(module + ".weight", found.encoding, parts: found.parts, place: index, context)
        }
        return findings
    }

    private static func refusal(_ name: String, _ obstacle: String) -> ForeignWeights {
        ForeignWeights(
            kind: .packed, name: CompressedTensorsSchemes.method, place: ForeignWeights.tensorPlace(name),
            message: "holds codes of compressed-tensors with \(obstacle) which is not read",
            hint: "start from the dense model, or decompress this one with compressed-tensors")
    }
}

/// 4-bit floats with a float8 or a power of two for each few of them.
struct FourBitFloats {
    let module: String
    let codes: Int
    private let parts: PartChecks

    init(module: String, codes: Int, _ parts: PartChecks) {
        (self.module, self.codes, self.parts) = (module, codes, parts)
    }

    /// - Parameter type: of the model.
    func weight(_ type: ScalarType) throws(FileError) -> (encoding: GroupedWeight, parts: [Int]) {
        let scales = try parts.context.requiredPlace(of: module + ".weight_scale", beside: codes)
        let global = parts.context.place(of: module + ".weight_global_scale")
        guard let global else {
            let (shape, groups) = try sizes(groupSize: MXFP4.blockSize)
            try parts.check(scales, [.u8, .f8e8m0], [[shape.dimensions[0], groups]], of: codes)
            return (try encoding("MXFP4", type, shape, .exponents, groups, MXFP4.blockSize), [codes, scales])
        }
        // Without dimensions the library would compute in BF16, and give other values.
        try parts.check(global, [.f32], [[1]], of: codes)
        let (shape, groups) = try sizes(groupSize: Self.nvBlockSize)
        try parts.check(scales, [.f8e4m3], [[shape.dimensions[0], groups]], of: codes)
        let form = GroupConstants.Form.divided(.f8e4m3, by: try parts.positiveNumber(global))
        return (try encoding("NVFP4", type, shape, form, groups, Self.nvBlockSize), [codes, scales, global])
    }

    /// As modelopt stores NVFP4: with a factor where compressed-tensors has a divisor.
    func modelOptWeight(_ type: ScalarType, factor: Int) throws(FileError) -> (encoding: GroupedWeight, parts: [Int]) {
        let scales = try parts.context.requiredPlace(of: module + ".weight_scale", beside: codes)
        try parts.check(factor, [.f32], [[], [1]], of: codes)
        let (shape, groups) = try sizes(groupSize: Self.nvBlockSize)
        try parts.check(scales, [.f8e4m3], [[shape.dimensions[0], groups]], of: codes)
        let form = GroupConstants.Form.multiplied(.f8e4m3, by: try parts.positiveNumber(factor))
        return (try encoding("NVFP4", type, shape, form, groups, Self.nvBlockSize), [codes, scales, factor])
    }

    private static let nvBlockSize = 16

    private func sizes(groupSize: Int) throws(FileError) -> (Shape, groups: Int) {
        let dimensions = parts.info(codes).shape.dimensions
        guard dimensions.count == 2, dimensions[1] % (groupSize / 2) == 0 else {
            throw parts.refusal(
                codes, "has shape \(parts.info(codes).shape), but 4-bit floats are [out, in / 2] with whole groups of \(groupSize)")
        }
        let (columns, overflows) = dimensions[1].multipliedReportingOverflow(by: 2)
        let shape = try parts.shape([dimensions[0]], columns: overflows ? -1 : columns, of: codes)
        return (shape, columns / groupSize)
    }

    private func encoding(
        _ name: String, _ type: ScalarType, _ shape: Shape, _ form: GroupConstants.Form, _ groups: Int, _ groupSize: Int
    ) throws(FileError) -> GroupedWeight {
        try parts.encoding(of: codes) { () throws(QuantizationError) in
            try GroupedWeight(
                name: name, scalarType: type, shape: shape, codes: .e2m1, rowByteCount: shape.dimensions[1] / 2,
                scales: GroupConstants(form, part: 1, groupsPerRow: groups), groupSize: groupSize)
        }
    }
}
