import ByteIO
import JSONText
import Quantization
import TensorCore

/// Weights of GPTQ and of AWQ, under the names that both use:
///
///     P.qweight   I32   GPTQ: [in * bits / 32, out]      AWQ gemm: [in, out / 8]      AWQ gemv: [out, in / 8]
///     P.qzeros    I32   [groups, out * bits / 32]                                     AWQ gemv: [out, at least groups / 8]
///     P.scales    F16   [groups, out]                                                 AWQ gemv: [out, at least groups]
///     P.g_idx     I32   [in], of GPTQ alone: the group of each input
///     P.bias      of GPTQ at times zeros where the model has no bias
struct GPTQLayout: TensorLayout {
    private static let codesEnd = ".qweight"

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        let codes = source.tensors.indices.filter {
            source.tensors[$0].name.hasSuffix(Self.codesEnd) && source.tensors[$0].scalarType == .i32
        }
        guard let first = codes.first else { return findings }
        let stated = StatedCodes(context.quantization)
        if let variant = stated.unreadVariant {
            findings.refusal = ForeignWeights(
                kind: .packed, name: variant, place: ForeignWeights.tensorPlace(source.tensors[first].name),
                message: "holds codes of \(variant), which are not read",
                hint: "start from the dense model, or save this one as GPTQ (checkpoint_format gptq) with the program that made it")
            return findings
        }
        var carries: [String] = []
        for index in codes {
            let module = try PackedModule(source, index, context, stated)
            if let refusal = module.refusal {
                findings.refusal = findings.refusal ?? refusal
                continue
            }
            let encoding = try module.encoding()
            if let columns = encoding as? ColumnCodes { try columns.checkGroups(of: StoredParts(source: source, tensors: module.parts)) }
            findings.add(module.name + ".weight", encoding, parts: module.parts, place: index, context)
            if let bias = try module.emptyBias() { findings.leftovers.append(bias) }
            if try module.hasAmbiguousZeros() { carries.append(module.name) }
        }
        if let first = carries.first {
            findings.warnings.append(
                "zeros of '\(first)'\(carries.count > 1 ? " and \(carries.count - 1) more" : "") have all bits set, which programs take for "
                    + "different numbers: " + stated.carryText)
        }
        return findings
    }
}

/// What is said of codes in `qweight`.
struct StatedCodes {
    let bits: Int?
    let groupSize: Int?
    let isSymmetric: Bool
    /// Whether modules may have settings of their own.
    let varies: Bool
    let isAWQ: Bool
    /// AWQ's order of a GPU's products of one vector.
    let isGEMV: Bool
    let zeros: ZeroPoints.Rule
    /// What is stated and not read: `Marlin`.
    let unreadVariant: String?
    private let quantizer: String?

    private static let methods: Set<String> = ["gptq", "awq", "auto-round", "intel/auto-round", "auto_round"]

    init(_ quantization: StatedQuantization) {
        let all = quantization.statements.filter { statement in
            statement.method.map { Self.methods.contains($0.lowercased()) } ?? true
        }
        func value(_ keys: String...) -> JSONValue? {
            for statement in all {
                for key in keys { if let found = statement.settings[key], found != .null { return found } }
            }
            return nil
        }
        let method = all.lazy.compactMap(\.method).first?.lowercased()
        let packing = value("packing_format")?.string ?? ""
        bits = value("bits", "w_bit")?.integer
        groupSize = value("group_size", "q_group_size")?.integer
        isSymmetric = value("sym", "is_sym")?.bool ?? false
        varies = value("dynamic")?.object != nil || value("extra_config")?.object != nil
        isAWQ = method == "awq" || packing.hasSuffix("awq")
        let version = value("version")?.string?.lowercased()
        isGEMV = isAWQ && version == "gemv"
        let format = value("checkpoint_format")?.string ?? "gptq"
        quantizer = Self.names(value("meta")?["quantizer"])
        let carries = quantizer?.contains("gptqmodel") == true
        zeros = isAWQ || format == "gptq_v2" ? .stored : carries ? .plusOneInWords : .plusOne
        unreadVariant = Self.unread(
            isAWQ: isAWQ, version: version, format: format, packing: packing,
            isMarlin: value("is_marlin_format")?.bool ?? false, words: value("pack_dtype")?.string)
    }

    private static func names(_ value: JSONValue?) -> String? {
        let names = value?.array?.compactMap(\.string) ?? value?.string.map { [$0] }
        return names?.joined(separator: ", ").lowercased()
    }

    private static func unread(
        isAWQ: Bool, version: String?, format: String, packing: String, isMarlin: Bool, words: String?
    ) -> String? {
        if isMarlin || format.contains("marlin") || version == "marlin" { return "Marlin" }
        if isAWQ, let version, !["gemm", "gemv"].contains(version) { return "AWQ '\(JSONError.excerpt(version))'" }
        if !isAWQ, !["gptq", "gptq_v2", "auto_round:auto_gptq", "auto_round:gptq"].contains(format) {
            return "GPTQ '\(JSONError.excerpt(format))'"
        }
        let known = ["", "auto_round:auto_gptq", "auto_round:gptq", "auto_gptq", "auto_round:auto_awq", "auto_round:awq", "auto_awq"]
        if !known.contains(packing) { return "auto-round '\(JSONError.excerpt(packing))'" }
        if let words, words != "int32" { return "GPTQ in words of '\(JSONError.excerpt(words))'" }
        return nil
    }

    /// How zeros with all bits set are read.
    var carryText: String {
        zeros == .plusOneInWords
            ? "GPTQModel wrote this, so one is added to whole words, as it does" : "they are taken for 0, as AutoGPTQ does"
    }
}
