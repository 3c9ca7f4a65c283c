import ByteIO
import JSONText
import Quantization
import TensorCore

/// Weights of half-quadratic quantization, as HQQ's own state dictionaries hold them (`HQQWeight`), settings included.
///
///     P.W_q       U8 or I32 [rows, columns]
///     P.scale, P.zero       of one type, a number for each group
///     P.shape     I64 [2]   P.nbits, P.group_size, P.axis   I32 []   P.packing   U8, a text
///     P.view_as_float, P.quant_scale, P.quant_zero ...      U8 []
struct HQQLayout: TensorLayout {
    private static let codesEnd = ".W_q"
    /// Settings that do not bear on what the weight is.
    private static let others = [
        ".channel_wise", ".compute_dtype", ".encoded_state_dict", ".offload_meta", ".optimize", ".round_zero", ".stores_quant_config",
        ".unpack_view_dtype",
    ]
    /// Settings that have to be off, and what they mean.
    private static let flags = [
        (".view_as_float", "codes that pretend to be floats"), (".quant_scale", "scales that are quantized themselves"),
        (".quant_zero", "zeros that are quantized themselves"),
    ]

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        let parts = PartChecks(source: source, context: context)
        for (index, info) in source.tensors.enumerated() where info.name.hasSuffix(Self.codesEnd) {
            let module = String(info.name.dropLast(Self.codesEnd.count))
            guard [".scale", ".zero", ".shape", ".nbits", ".axis"].allSatisfy({ context.place(of: module + $0) != nil }) else {
                findings.refusal = Self.refusal(info.name, "without the settings (shape, nbits, axis) that tell how it lies,")
                return findings
            }
            var used: [Int] = []
            for (end, meaning) in Self.flags {
                guard let flag = context.place(of: module + end) else { continue }
                try parts.check(flag, [.u8, .bool], [[]], of: index)
                guard try source.bytes(ofTensor: flag) == [0] else {
                    findings.refusal = Self.refusal(info.name, "with \(meaning) (\(end.dropFirst())),")
                    return findings
                }
                used.append(flag)
            }
            let (encoding, own) = try weight(module, index, parts)
            used = own + used + Self.others.compactMap { context.place(of: module + $0) }
            findings.add(module + ".weight", encoding, parts: used, place: index, context)
        }
        return findings
    }

    private static func refusal(_ name: String, _ what: String) -> ForeignWeights {
        ForeignWeights(
            kind: .packed, name: "HQQ", place: ForeignWeights.tensorPlace(name), message: "holds codes of HQQ \(what) which is not read",
            hint: "start from the dense model, or dequantize this one with hqq")
    }

    private func weight(
        _ module: String, _ codes: Int, _ parts: PartChecks
    ) throws(FileError) -> (encoding: HQQWeight, parts: [Int]) {
        func place(_ end: String) throws(FileError) -> Int { try parts.context.requiredPlace(of: module + end, beside: codes) }
        func setting(_ end: String) throws(FileError) -> (value: Int, place: Int) {
            let index = try place(end)
            try parts.check(index, [.i32, .i64, .u8], [[], [1]], of: codes)
            return (try parts.integers(index)[0], index)
        }
        let (scale, zero, shapePart) = (try place(".scale"), try place(".zero"), try place(".shape"))
        let bits = try setting(".nbits"), axis = try setting(".axis")
        var used = [codes, scale, zero, shapePart, bits.place, axis.place]
        try parts.check(shapePart, [.i64, .i32], [[2]], of: codes)
        guard let shape = Shape(try parts.integers(shapePart)), shape.elementCount > 0 else {
            throw parts.refusal(shapePart, "is \(try parts.integers(shapePart)), which is no shape of a weight")
        }
        let packing = try packing(bits.value, module, codes, parts, &used)
        let groups = parts.info(scale).elementCount, type = parts.info(scale).scalarType
        guard groups > 0, shape.elementCount % groups == 0 else {
            throw parts.refusal(scale, "has \(groups) scales, but the \(shape.elementCount) elements of \(shape) are no equal groups then")
        }
        if parts.context.place(of: module + ".group_size") != nil {
            let size = try setting(".group_size")
            used.append(size.place)
            guard size.value == shape.elementCount / groups else {
                throw parts.refusal(
                    size.place,
                    "is \(size.value), but \(groups) scales of \(shape.elementCount) elements make groups of "
                        + "\(shape.elementCount / groups)")
            }
        }
        let encoding = try parts.encoding(of: codes) { () throws(QuantizationError) in
            try HQQWeight(shape: shape, type: type, packing: packing, groupSize: shape.elementCount / groups, axis: axis.value)
        }
        let constants = [axis.value == 1 ? [groups, 1] : [1, groups]]
        try parts.check(codes, [packing.storedType], [[encoding.storedRows, encoding.matrix.columns]], of: shapePart)
        try parts.check(scale, [type], constants, of: codes)
        try parts.check(zero, [type], constants, of: codes)
        return (encoding, used)
    }

    private func packing(
        _ bits: Int, _ module: String, _ codes: Int, _ parts: PartChecks, _ used: inout [Int]
    ) throws(FileError) -> HQQWeight.Packing {
        guard let byBits = HQQWeight.Packing(bits: bits) else {
            throw parts.refusal(codes, "has codes of \(bits) bits, but HQQ has 1 to 8")
        }
        guard let index = parts.context.place(of: module + ".packing") else { return byBits }
        used.append(index)
        guard parts.info(index).scalarType == .u8, parts.info(index).byteCount <= 64 else {
            throw parts.refusal(
                index, "is \(parts.info(index).scalarType.rawValue) \(parts.info(index).shape), but a name in U8 is expected")
        }
        let name = String(decoding: try parts.source.bytes(ofTensor: index), as: UTF8.self)
        guard name == byBits.rawValue else {
            throw parts.refusal(index, "is '\(JSONError.excerpt(name))', but codes of \(bits) bits lie as '\(byBits.rawValue)'")
        }
        return byBits
    }
}
