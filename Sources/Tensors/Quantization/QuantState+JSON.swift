package import TensorCore

extension QuantState {
    /// The text of the `quant_state.bitsandbytes__nf4` (or `__fp4`) tensor, byte for byte as Python's `json.dumps` writes it.
    ///
    ///     {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [64, 112],
    ///      "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.2114170640707016}
    ///
    /// on one line; without double quantization the nested keys are absent.
    package var jsonText: String {
        let dimensions = shape.dimensions.map(String.init).joined(separator: ", ")
        var text = "{\"quant_type\": \"\(quantType.rawValue)\", \"blocksize\": \(blockSize)"
        text += ", \"dtype\": \"\(dtype)\", \"shape\": [\(dimensions)]"
        if let nested {
            text += ", \"nested_blocksize\": \(nested.blockSize), \"nested_dtype\": \"float32\""
            text += ", \"nested_offset\": \(pythonRepr(Double(nested.offset)))"
        }
        return text + "}"
    }

    /// torch's name of the weight's scalar type, as in the `dtype` key.
    private var dtype: String {
        switch scalarType {
        case .f16: "float16"
        case .bf16: "bfloat16"
        default: "float32"
        }
    }

    /// The scalar type that a quant state's `dtype` names, or nil where it is none that bitsandbytes quantizes.
    package static func scalarType(dtype: String) -> ScalarType? {
        switch dtype {
        case "float32": .f32
        case "float16": .f16
        case "bfloat16": .bf16
        default: nil
        }
    }
}
