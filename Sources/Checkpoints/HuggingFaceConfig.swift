package import JSONText
package import Quantization
package import TensorCore

/// Changes to config.json that an export needs, and nothing else: members keep their order and their numbers' spelling.
package enum HuggingFaceConfig {
    /// The config of a folder whose 4-bit weights are stored: with the `quantization_config` that transformers writes.
    ///
    /// - Parameters:
    ///   - state: of any of the weights; transformers keeps one setting for all and takes the rest from each quant state.
    ///   - skippedModules: linear layers that are dense; nil where they are those transformers skips by itself.
    package static func quantized(_ config: JSONObject, state: QuantState, skippedModules: [String]?) -> JSONValue {
        let method: JSONValue = .object([
            "_load_in_4bit": .bool(true), "_load_in_8bit": .bool(false),
            "bnb_4bit_compute_dtype": .string(state.scalarType.torchName ?? "float32"),
            "bnb_4bit_quant_storage": .string("uint8"), "bnb_4bit_quant_type": .string(state.quantType.rawValue),
            "bnb_4bit_use_double_quant": .bool(state.isDoubleQuantized), "llm_int8_enable_fp32_cpu_offload": .bool(false),
            "llm_int8_has_fp16_weight": .bool(false), "llm_int8_skip_modules": skippedModules.map { .strings($0) } ?? .null,
            "llm_int8_threshold": .double(6), "load_in_4bit": .bool(true), "load_in_8bit": .bool(false),
            "quant_method": .string("bitsandbytes"),
        ])
        var result = config
        result["quantization_config"] = method
        return .object(result)
    }

    /// Modules that transformers must leave dense, where they are not just the output head, which it skips by itself.
    ///
    /// A list replaces the default one, so it names the head too where that is dense.
    package static func skippedModules(in tensors: [LogicalTensor]) -> [String]? {
        var skipped: [String] = []
        var isDefault = true
        for tensor in tensors {
            let role = LinearLayers.role(of: tensor.name, shape: tensor.shape)
            let isDense = tensor.quantized == nil
            guard role == .head || role == .linear, tensor.name.hasSuffix(".weight") else { continue }
            if (role == .head) != isDense { isDefault = false }
            if isDense { skipped.append(String(tensor.name.dropLast(".weight".count))) }
        }
        return isDefault ? nil : skipped.sorted(by: NaturalOrder.precedes)
    }

    /// The config of a dense folder: without a `quantization_config`, with the type of its weights.
    package static func dense(_ config: JSONObject, scalarType: ScalarType?) -> JSONValue {
        var result = config
        result["quantization_config"] = nil
        if let scalarType, let name = scalarType.torchName {
            for key in ["dtype", "torch_dtype"] where result[key] != nil { result[key] = .string(name) }
            if result["dtype"] == nil, result["torch_dtype"] == nil { result["dtype"] = .string(name) }
        }
        return .object(result)
    }
}

extension ScalarType {
    /// PyTorch's name of a type that weights have: `bfloat16`.
    package var torchName: String? {
        switch self {
        case .f32: "float32"
        case .f16: "float16"
        case .bf16: "bfloat16"
        default: nil
        }
    }
}
