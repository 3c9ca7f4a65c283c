package import JSONText
package import Quantization
package import TensorCore

/// Changes to config.json that an export needs, and nothing else: members keep their order and their numbers' spelling.
package enum HuggingFaceConfig {
    /// The config of a folder whose 4-bit weights are stored: with the `quantization_config` that transformers writes.
    ///
    /// One that is there already is kept (it knows the type to compute in), but for what the stored weights decide.
    ///
    /// - Parameters:
    ///   - state: of any of the weights; transformers keeps one setting for all and takes the rest from each quant state.
    ///   - tensors: all of the model, as they are written.
    package static func quantized(
        _ config: JSONObject, state: QuantState, tensors: [LogicalTensor], layers: FourBitLayers
    ) -> JSONValue {
        var method =
            fourBitMethod(config)
            ?? JSONObject([
                "_load_in_4bit": .bool(true), "_load_in_8bit": .bool(false),
                "bnb_4bit_compute_dtype": .string(state.scalarType.torchName ?? "float32"),
                "bnb_4bit_quant_storage": .null, "bnb_4bit_quant_type": .null, "bnb_4bit_use_double_quant": .null,
                "llm_int8_enable_fp32_cpu_offload": .bool(false), "llm_int8_has_fp16_weight": .bool(false), "llm_int8_skip_modules": .null,
                "llm_int8_threshold": .double(6), "load_in_4bit": .bool(true), "load_in_8bit": .bool(false),
                "quant_method": .string("bitsandbytes"),
            ])
        method["bnb_4bit_quant_storage"] = .string("uint8")
        method["bnb_4bit_quant_type"] = .string(state.quantType.rawValue)
        method["bnb_4bit_use_double_quant"] = .bool(state.isDoubleQuantized)
        let stated = method["llm_int8_skip_modules"]?.array?.compactMap(\.string)
        method["llm_int8_skip_modules"] = SkippedModules.list(for: tensors, layers, stated: stated).map { .strings($0) } ?? .null
        var result = config
        result["quantization_config"] = .object(method)
        return .object(result)
    }

    /// The `quantization_config` of a bitsandbytes 4-bit model.
    private static func fourBitMethod(_ config: JSONObject) -> JSONObject? {
        guard let method = config["quantization_config"]?.object, method["quant_method"]?.string == "bitsandbytes",
            method["load_in_8bit"]?.bool != true
        else { return nil }
        return method
    }

    /// The config of a dense folder: without the `quantization_config` of a 4-bit one, with the type of its weights, and with
    /// `rope_theta` beside `rope_parameters`, where transformers before 5 and mlx-lm look for it.
    ///
    /// - Parameter wasPacked: the weights were decoded from another quantization: whatever says so goes. Else a `quantization_config`
    ///   of another kind stays: its weights are written as they are.
    package static func dense(_ config: JSONObject, scalarType: ScalarType?, wasPacked: Bool = false) -> JSONValue {
        var result = wasPacked ? StatedQuantization.removed(from: config) ?? config : config
        if fourBitMethod(config) != nil || StatedQuantization(config: .object(config)).methodOfConfig == MXFP4Layout.method {
            result["quantization_config"] = nil
        }
        if let scalarType, let name = scalarType.torchName {
            for key in ["dtype", "torch_dtype"] where result[key] != nil { result[key] = .string(name) }
            if result["dtype"] == nil, result["torch_dtype"] == nil { result["dtype"] = .string(name) }
        }
        guard var text = result["text_config"]?.object else { return .object(withRopeTheta(result)) }
        text = withRopeTheta(text)
        result["text_config"] = .object(text)
        return .object(withRopeTheta(result))
    }

    private static func withRopeTheta(_ config: JSONObject) -> JSONObject {
        guard config["rope_theta"] == nil, let theta = config["rope_parameters"]?["rope_theta"], theta.double != nil else { return config }
        var result = config
        result["rope_theta"] = theta
        return result
    }

    /// The config of a model that was tuned in full: a dense one of f32 weights, whose type stands under its present key only.
    ///
    /// - Parameter isUntied: whether the head is a weight of its own now, where the config says or implies that it is not.
    package static func tuned(_ config: JSONObject, isUntied: Bool, wasPacked: Bool = false) -> JSONValue {
        var result = config
        result["torch_dtype"] = nil
        if isUntied { result["tie_word_embeddings"] = .bool(false) }
        return dense(result, scalarType: .f32, wasPacked: wasPacked)
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
