import ByteIO
import Checkpoints
import JSONText
import Quantization
import SafetensorsFormat
import TensorCore

extension Reader {
    /// A model in the form of another quantizer: header, NUL, data. What config.json says is the value of `config` in the header's
    /// metadata, what quantize_config.json says that of `own`. Every weight is decoded, at once and in pieces.
    static let packed = Reader(
        "packed",
        words: headerWords + [
            ".qweight", ".qzeros", ".scales", ".g_idx", ".weight", ".weight_scale_inv", ".weight_scale", ".SCB", ".weight_format", ".bias",
            ".biases", ".weight_packed", ".weight_shape", ".weight_global_scale", ".weight_scale_2", "_scale_inv", "experts.down_proj",
            "I32",
            "U32", "U8", "BF16", "I8", "F8_E4M3", "F8_E8M0", "quantization", "mode", "affine", "mxfp4", "mxfp8", "nvfp4",
            "compressed-tensors", "quantization_config", "quant_method", "gptq", "awq", "fp8", "auto-round", "bits",
            "group_size", "sym", "checkpoint_format", "gptq_v2", "version", "gemm", "gemv", "weight_block_size", "desc_act",
            "_blocks", "_scales", ".mlp.experts.down_proj",
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
            try convertAtOnce(checkpoint, tensor, whole)
        }
    }

    /// Elements that are decoded as their type, and codes that are translated, are what two steps give.
    private static func convertAtOnce(_ checkpoint: Checkpoint, _ tensor: LogicalTensor, _ elements: [Float]) throws {
        let range = elements.indices, blockSize = 64
        guard !range.isEmpty, let (run, type) = try checkpoint.reader(of: tensor, order: .outputsByInputs).run(range) else { return }
        let size = type.bitCount / 8
        var expected = [UInt8](repeating: 0, count: elements.count * size), decoded = expected
        expected.withUnsafeMutableBytes { bytes in
            var span = MutableRawSpan(_unsafeBytes: bytes)
            FloatConversion.narrow(elements.span, to: type, into: &span)
        }
        try decoded.withUnsafeMutableBytes { try run.decode(range, as: type, into: $0) }
        require(decoded == expected, "elements are rounded to their type")
        var codes = [UInt8](repeating: 0, count: elements.count / 2), constants = [Float](repeating: 0, count: elements.count / blockSize)
        let done = codes.withUnsafeMutableBytes { codes in
            constants.withUnsafeMutableBufferPointer {
                run.quantize(range, as: type, to: .nf4, blockSize: blockSize, packed: codes, absmax: $0)
            }
        }
        guard let done else { return }
        var expectedCodes = [UInt8](repeating: 0, count: codes.count), expectedConstants = [Float](repeating: 0, count: constants.count)
        let nonfinite = expectedCodes.withUnsafeMutableBytes { codes in
            var packed = MutableRawSpan(_unsafeBytes: codes), absmax = expectedConstants.mutableSpan
            return BlockQuantizer.quantize(
                expected.span.bytes, of: type, as: .nf4, blockSize: blockSize, packed: &packed, absmax: &absmax)
        }
        require(
            done.firstNonfinite == nonfinite && codes == expectedCodes
                && zip(constants, expectedConstants).allSatisfy { $0.bitPattern == $1.bitPattern }, "codes are translated")
    }
}

/// Small models of every form.
private enum PackedSeeds {
    static var all: [[UInt8]] {
        let gptq = "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":16,\"sym\":false}}"
        let awq = "{\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":16,\"version\":\"gemm\"}}"
        let gemv = "{\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32,\"version\":\"gemv\"}}"
        let mlx = "{\"quantization\":{\"group_size\":32,\"bits\":4}}"
        let mlx3 = "{\"quantization\":{\"group_size\":64,\"bits\":3,\"layers.0.q_proj\":{\"group_size\":64,\"bits\":3}}}"
        let mlxFloats = "{\"quantization\":{\"mode\":\"mxfp4\",\"group_size\":32,\"bits\":4}}"
        let packed =
            "{\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"config_groups\":{\"a\":{\"weights\":{\"num_bits\":4,"
            + "\"group_size\":32}}}}}"
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
            seed(mlx, nil, [("weight", "U32", [3, 8]), ("scales", "BF16", [3, 2]), ("biases", "BF16", [3, 2])]),
            seed(mlx3, nil, [("weight", "U32", [2, 6]), ("scales", "F16", [2, 1]), ("biases", "F16", [2, 1])]),
            seed(mlxFloats, nil, [("weight", "U32", [2, 8]), ("scales", "U8", [2, 2])]),
            seed(nil, nil, [("weight_packed", "U8", [2, 16]), ("weight_scale", "F8_E4M3", [2, 2]), ("weight_global_scale", "F32", [1])]),
            seed(
                packed, nil,
                [
                    ("weight_packed", "I32", [3, 8]), ("weight_scale", "BF16", [3, 2]), ("weight_shape", "I64", [2]),
                    ("weight_zero_point", "I32", [1, 2]),
                ]),
            seed(
                "{\"model_type\":\"gpt_oss\",\"quantization_config\":{\"quant_method\":\"mxfp4\"}}", nil,
                [("gate_up_proj_blocks", "U8", [2, 3, 2, 16]), ("gate_up_proj_scales", "U8", [2, 3, 2])], of: "mlp.experts"),
        ]
    }

    private static func seed(
        _ config: String?, _ own: String?, _ tensors: [(name: String, type: String, shape: [Int])], of module: String = "q_proj"
    ) -> [UInt8] {
        var header = JSONObject()
        var metadata = JSONObject()
        if let config { metadata["config"] = .string(config) }
        if let own { metadata["own"] = .string(own) }
        header["__metadata__"] = .object(metadata)
        func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
        var offset = 0
        var data: [UInt8] = []
        for tensor in tensors {
            let size = ["I64": 8, "I32": 4, "U32": 4, "F32": 4, "F16": 2, "BF16": 2][tensor.type] ?? 1
            let end = offset + tensor.shape.reduce(size, *)
            header["layers.0.\(module).\(tensor.name)"] = .object([
                "dtype": .string(tensor.type), "shape": .array(tensor.shape.map { .integer($0) }),
                "data_offsets": .array([.integer(offset), .integer(end)]),
            ])
            offset = end
            // Numbers and no codes: that of a weight of 3 x 64.
            data += tensor.name == "weight_shape" ? [3, 0, 0, 0, 0, 0, 0, 0, 64] + zeros(7) : zeros(end - data.count)
        }
        return Array(JSONValue.object(header).text(.compact).utf8) + [0] + data
    }
}
