import ByteIO
import JSONText
import Quantization
import TensorCore

/// Weights of torchao in safetensors: a tensor of a class of its own, in parts, with the class in the metadata.
///
///     P._weight_qdata   I8 or F8_E4M3 [out, in]   P._weight_scale   F32, for blocks of `block_size`
///     P._weight_zero_point   I8                   only of integers, taken from the codes
///     metadata          "P.weight": {"_type": "Int8Tensor", "_data": {"block_size": [1, in], "dtype": ...}, "_tensor_data_names": [...]}
struct TorchAOLayout: TensorLayout {
    private static let codesEnd = "._weight_qdata"

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        let parts = PartChecks(source: source, context: context)
        var metadata: [ByteKey: String]?
        for (index, info) in source.tensors.enumerated() where info.name.hasSuffix(Self.codesEnd) {
            let module = String(info.name.dropLast(Self.codesEnd.count)), name = module + ".weight"
            let known = metadata ?? Dictionary(source.containerMetadata.map { (ByteKey($0.key), $0.value) }) { first, _ in first }
            metadata = known
            guard let text = known[ByteKey(name)] else {
                findings.refusal = Self.refusal(info.name, "of a class that the metadata of the file do not name")
                return findings
            }
            let description: TorchAODescription
            do { description = try TorchAODescription(text) } catch {
                throw FileError(source.path, at: "__metadata__: '\(name)'", error.message)
            }
            guard let kind = description.kind else {
                findings.refusal = Self.refusal(info.name, description.obstacle)
                return findings
            }
            let found = try weight(module, index, kind, description, parts)
            findings.add(name, found.encoding, parts: found.parts, place: index, context)
        }
        return findings
    }

    private static func refusal(_ name: String, _ what: String) -> ForeignWeights {
        ForeignWeights(
            kind: .packed, name: "torchao", place: ForeignWeights.tensorPlace(name),
            message: "holds codes of torchao, \(what), which is not read",
            hint: "start from the dense model, or save what torchao's dequantize() gives")
    }

    private func weight(
        _ module: String, _ codes: Int, _ kind: TorchAODescription.Kind, _ description: TorchAODescription, _ parts: PartChecks
    ) throws(FileError) -> (encoding: GroupedWeight, parts: [Int]) {
        let shape = parts.info(codes).shape
        guard shape.dimensions.count == 2, shape.elementCount > 0 else {
            throw parts.refusal(codes, "has shape \(shape), but codes of torchao are a matrix [out, in]")
        }
        try parts.check(codes, [kind == .int8 ? .i8 : .f8e4m3], [shape.dimensions], of: codes)
        let (rows, columns) = (shape.dimensions[0], shape.dimensions[1]), block = description.block
        guard block.rows <= rows, block.columns <= columns else {
            throw parts.refusal(codes, "has shape \(shape), but blocks of [\(block.rows), \(block.columns)] in the metadata")
        }
        let grid = [ScaleGrid.count(rows, by: block.rows), ScaleGrid.count(columns, by: block.columns)]
        let scales = try parts.context.requiredPlace(of: module + "._weight_scale", beside: codes)
        try parts.check(scales, [.f32, .bf16, .f16], [grid], of: codes)
        let zeros = description.hasZeroPoint ? try parts.context.requiredPlace(of: module + "._weight_zero_point", beside: codes) : nil
        if let zeros { try parts.check(zeros, [.i8], [grid], of: codes) }
        func constants(_ type: ScalarType, _ part: Int) -> GroupConstants {
            GroupConstants(.numbers(type), part: part, groupsPerRow: grid[1], rowsPerEntry: block.rows)
        }
        let encoding = try parts.encoding(of: codes) { () throws(QuantizationError) in
            try GroupedWeight(
                name: kind == .int8 ? "INT8 (torchao)" : "FP8 (torchao)", scalarType: description.type, shape: shape,
                codes: kind == .int8 ? .int8 : .e4m3, rowByteCount: columns, arithmetic: zeros == nil ? .scaled : .movedThenScaled,
                scales: constants(parts.info(scales).scalarType, 1), offsets: zeros.map { _ in constants(.i8, 2) },
                groupSize: block.columns)
        }
        return (encoding, [codes, scales] + (zeros.map { [$0] } ?? []))
    }
}

/// What the metadata of a file say of a weight of torchao.
struct TorchAODescription {
    enum Kind { case int8, float8 }

    /// Nil of classes that are not read, and of such with parts that are not.
    let kind: Kind?
    /// Which these are.
    let obstacle: String
    /// Rows and columns that share a scale.
    let block: (rows: Int, columns: Int)
    /// Of the decoded elements.
    let type: ScalarType
    let hasZeroPoint: Bool

    private static let lengthLimit = 1 << 16

    init(_ text: String) throws(QuantizationError) {
        guard text.utf8.count <= Self.lengthLimit else {
            throw QuantizationError("has \(text.utf8.count) bytes, but at most \(Self.lengthLimit) are parsed")
        }
        let document: JSONValue
        do { document = try JSONValue(parsing: Array(text.utf8)) } catch { throw QuantizationError(error.description) }
        let name = document["_type"]?.string ?? ""
        let names = document["_tensor_data_names"]?.array?.compactMap(\.string) ?? []
        let odd = names.first { !["qdata", "scale", "zero_point"].contains($0) }
        hasZeroPoint = names.contains("zero_point")
        guard let kind: Kind = name == "Int8Tensor" ? .int8 : name == "Float8Tensor" ? .float8 : nil, odd == nil else {
            self.kind = nil
            obstacle = "an '\(JSONError.excerpt(name))'" + (odd.map { " with a part '\(JSONError.excerpt($0))'" } ?? "")
            (block, type) = ((1, 1), .bf16)
            return
        }
        let sizes = document["_data"]?["block_size"]?.array?.compactMap(\.integer) ?? []
        guard sizes.count == 2, sizes.allSatisfy({ $0 > 0 }) else {
            throw QuantizationError("states no block_size of two numbers")
        }
        switch document["_data"]?["dtype"]?["_data"]?.string {
        case "bfloat16": type = .bf16
        case "float16": type = .f16
        case "float32": type = .f32
        case let other: throw QuantizationError("states the dtype '\(JSONError.excerpt(other ?? ""))', none of a dense weight")
        }
        (self.kind, obstacle, block) = (kind, "", (sizes[0], sizes[1]))
    }
}
