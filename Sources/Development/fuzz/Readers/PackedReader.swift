import ByteIO
import Checkpoints
import JSONText
import SafetensorsFormat
import TensorCore

extension Reader {
    /// A model in the form of another quantizer: header, NUL, data. What config.json says is the value of `config` in the header's
    /// metadata, what quantize_config.json says that of `own`. Every weight is decoded, at once and in pieces.
    static let packed = Reader(
        "packed",
        words: headerWords + [
            ".qweight", ".qzeros", ".scales", ".g_idx", ".weight", ".weight_scale_inv", ".weight_scale", ".SCB", ".weight_format", ".bias",
            "I32", "I8", "F8_E4M3", "F8_E8M0", "quantization_config", "quant_method", "gptq", "awq", "fp8", "auto-round", "bits",
            "group_size", "sym", "checkpoint_format", "gptq_v2", "version", "gemm", "gemv", "weight_block_size", "desc_act",
        ], mutation: .model(prefixByteCount: 0), seeds: { _ in PackedSeeds.all },
        read: { bytes in
            var input = FuzzInput(bytes)
            let image = SafetensorsImage(json: input.text(), data: input.rest())
            packedFolder.write(image.bytes, to: "model.safetensors")
            for (key, name) in [("config", "config.json"), ("own", "quantize_config.json")] {
                if let text = image.header?.metadata.first(where: { $0.key == key })?.value {
                    packedFolder.write(Array(text.utf8), to: name)
                } else {
                    packedFolder.remove(name)
                }
            }
            readModel(packedFolder.path)
            do { try decodeInPieces(packedFolder.path) } catch { tell(error) }
        })

    private static let packedFolder = Folder.temporary()

    /// A weight is the same whether it is decoded at once or panel by panel.
    private static func decodeInPieces(_ path: String) throws {
        let checkpoint = try Checkpoint.open(path)
        for tensor in checkpoint.tensors where tensor.isEncoded && tensor.elementCount <= 1 << 16 {
            let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs, rounding: .none)
            let whole = try reader.allElements()
            require(whole.count == tensor.elementCount, "a weight has the elements of its shape")
            for start in stride(from: 0, to: whole.count, by: reader.granularity) {
                let end = min(start + reader.granularity, whole.count)
                let same = try zip(reader.elements(start..<end), whole[start..<end]).allSatisfy { $0.bitPattern == $1.bitPattern }
                require(same, "a weight is the same however it is decoded")
            }
        }
    }
}

/// Small models of every form.
private enum PackedSeeds {
    static var all: [[UInt8]] {
        let gptq = "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":16,\"sym\":false}}"
        let awq = "{\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":16,\"version\":\"gemm\"}}"
        let gemv = "{\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32,\"version\":\"gemv\"}}"
        let fp8 = "{\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[4,4]}}"
        return [
            seed(gptq, nil, [("qweight", "I32", [4, 8]), ("qzeros", "I32", [2, 1]), ("scales", "F16", [2, 8]), ("g_idx", "I32", [32])]),
            seed(
                nil, "{\"bits\":3,\"group_size\":32}",
                [("qweight", "I32", [6, 32]), ("qzeros", "I32", [2, 3]), ("scales", "F16", [2, 32])]),
            seed(awq, nil, [("qweight", "I32", [32, 2]), ("qzeros", "I32", [2, 2]), ("scales", "F16", [2, 16])]),
            seed(gemv, nil, [("qweight", "I32", [3, 8]), ("qzeros", "I32", [3, 1]), ("scales", "F16", [3, 8])]),
            seed(fp8, nil, [("weight", "F8_E4M3", [6, 10]), ("weight_scale_inv", "F32", [2, 3]), ("input_scale", "F32", [])]),
            seed(nil, nil, [("weight", "F8_E4M3", [2, 64]), ("weight_scale", "U8", [2, 2])]),
            seed(nil, nil, [("weight", "I8", [2, 32]), ("scale", "F8_E8M0", [2, 2])]),
            seed(nil, nil, [("weight", "I8", [3, 5]), ("SCB", "F32", [3]), ("weight_format", "U8", [])]),
        ]
    }

    private static func seed(_ config: String?, _ own: String?, _ tensors: [(name: String, type: String, shape: [Int])]) -> [UInt8] {
        var header = JSONObject()
        var metadata = JSONObject()
        if let config { metadata["config"] = .string(config) }
        if let own { metadata["own"] = .string(own) }
        header["__metadata__"] = .object(metadata)
        var offset = 0
        for tensor in tensors {
            let size = ["I32": 4, "F32": 4, "F16": 2][tensor.type] ?? 1
            let end = offset + tensor.shape.reduce(size, *)
            header["layers.0.q_proj.\(tensor.name)"] = .object([
                "dtype": .string(tensor.type), "shape": .array(tensor.shape.map { .integer($0) }),
                "data_offsets": .array([.integer(offset), .integer(end)]),
            ])
            offset = end
        }
        return Array(JSONValue.object(header).text(.compact).utf8) + [0] + [UInt8](repeating: 0, count: offset)
    }
}
