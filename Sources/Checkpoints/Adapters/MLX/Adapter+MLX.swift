import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore

extension Adapter {
    /// As mlx-lm calls an adapter in a folder; states that were saved on the way have a number in front.
    static let mlxWeightsName = "adapters.safetensors"

    /// Whether a configuration is that of an MLX adapter, not of PEFT's.
    static func isMLXConfiguration(_ object: JSONObject) -> Bool {
        object["peft_type"] == nil && ["fine_tune_type", "lora_parameters", "lora_layers", "num_layers"].contains { object[$0] != nil }
    }

    /// An MLX adapter, under PEFT's names and turned as PEFT's factors are.
    ///
    /// - Parameter folder: with its adapter_config.json, without which nobody knows the scaling.
    static func openMLX(_ stored: SafetensorsFile, folder: String, path: String) throws(FileError) -> Adapter {
        let configurationFile = FilePath.join(folder, configurationName)
        guard FilePath.kind(of: configurationFile) != .missing else {
            throw FileError(
                path, "has the tensors of an MLX adapter, but no \(configurationName) lies beside it",
                hint: "without it nobody knows the scaling; fetch it, too")
        }
        let guide = try InputFile(path: configurationFile)
        let bytes = try guide.allBytes(limit: configurationByteCountLimit)
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes, takesPythonNumbers: true) } catch {
            throw FileError(configurationFile, at: "byte \(error.offset)", error.message)
        }
        let tensors = try MLXAdapterTensors(stored)
        let configuration = try mlxConfiguration(document.object ?? JSONObject(), tensors, path: configurationFile)
        return try Adapter(path: path, form: .mlx, stored: tensors, configuration: configuration, guides: [guide])
    }

    /// What PEFT would say of such an adapter: `y += scale (x A) B` is alpha / r with alpha = scale r.
    private static func mlxConfiguration(
        _ object: JSONObject, _ tensors: MLXAdapterTensors, path: String
    ) throws(FileError) -> AdapterConfiguration {
        guard isMLXConfiguration(object) else {
            throw FileError(path, "is no configuration of an MLX adapter, but '\(mlxWeightsName)' has one's tensors")
        }
        let kind = object["fine_tune_type"]?.string ?? (tensors.hasMagnitudes ? "dora" : "lora")
        guard kind == "lora" || kind == "dora" else {
            throw FileError(
                path, at: "fine_tune_type", "is '\(JSONError.excerpt(kind))', but adapters are 'lora' or 'dora'",
                hint: kind == "full" ? "whole tensors are no adapter: fuse them into the model with mlx_lm.fuse" : nil)
        }
        guard (kind == "dora") == tensors.hasMagnitudes else {
            throw FileError(
                path, at: "fine_tune_type",
                "is '\(kind)', but the file has \(tensors.hasMagnitudes ? "magnitudes" : "no magnitudes") (tensors called m)")
        }
        let parameters = object["lora_parameters"]
        guard let scale = parameters?["scale"]?.double, scale.isFinite else {
            throw FileError(path, at: "lora_parameters", "states no 'scale', by which the factors are multiplied")
        }
        guard let rank = parameters?["rank"]?.integer ?? tensors.modules.first?.rank else {
            throw FileError(tensors.path, "holds no factors, so it adapts nothing")
        }
        if let module = tensors.modules.first(where: { $0.rank != rank }) {
            throw FileError(
                path, at: "lora_parameters", "states the rank \(rank), but '\(JSONError.excerpt(module.name))' has \(module.rank)",
                hint: "configuration and weights are not of the same adapter")
        }
        var others: [(key: String, value: JSONValue)] = [("use_dora", .bool(kind == "dora"))]
        if let model = object["model"]?.string { others.append(("base_model_name_or_path", .string(model))) }
        return try AdapterConfiguration(
            rank: rank, alpha: scale * Double(rank), targetModules: tensors.modules.map(\.name),
            dropout: parameters?["dropout"]?.double ?? 0, others: others)
    }
}
