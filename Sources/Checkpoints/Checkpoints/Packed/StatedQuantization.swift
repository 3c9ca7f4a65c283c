import ByteIO
package import JSONText

/// What the files beside the weights say of how these are quantized, wherever they say it.
///
/// A hint and no more: what the weights are, their tensors show. Several programs state the same in several places, some in a file of
/// their own, MLX under two keys of config.json.
package struct StatedQuantization: Sendable {
    package struct Statement: Sendable {
        /// The file, and where in it: `config.json`, `quantization_config`.
        package let file: String
        package let key: String?
        package let settings: JSONObject
        /// What the settings are called there (`gptq`, `fp8`), or what a place stands for; nil where nothing names them.
        package let method: String?
    }

    /// In the order in which they are believed: config.json, its text model, then files of their own.
    package let statements: [Statement]

    package static let none = StatedQuantization(statements: [])

    /// Files that hold a statement and nothing else, and the method that they stand for where they name none.
    private static let files: [(name: String, method: String)] = [
        ("quantize_config.json", "gptq"), ("quant_config.json", "awq"), ("hf_quant_config.json", "modelopt"),
        ("quantization_config.json", "compressed-tensors"),
    ]

    /// Whether a file only says how weights are quantized: it does not travel with weights that are not.
    package static func isFile(_ name: String) -> Bool { files.contains { $0.name == name } }

    /// Keys of config.json, and the method that they stand for where nothing names it.
    private static let keys: [(name: String, method: String?)] = [
        ("quantization_config", nil), ("compression_config", "compressed-tensors"), ("quantization", nil),
    ]

    /// The longest file of its own that is read; real ones have a few kilobytes, lists of modules some hundred.
    private static let byteCountLimit = 16 << 20

    private init(statements: [Statement]) { self.statements = statements }

    /// - Parameter files: those beside the weights.
    init(config: JSONValue?, files: [CompanionFile], path: String) throws(FileError) {
        var statements = Self.statements(of: config)
        for (name, method) in Self.files {
            guard let file = files.first(where: { $0.name == name }) else { continue }
            let document = try Self.parse(file, path: path)
            // modelopt's has a member for what it was made by.
            let inner = document["quantization"]?.object
            guard let settings = inner ?? document.object else {
                throw FileError(path, at: name, "is no JSON object, but says how the weights are quantized")
            }
            statements.append(
                Statement(
                    file: name, key: inner == nil ? nil : "quantization", settings: settings,
                    method: settings["quant_method"]?.string ?? method))
        }
        self.statements = statements
    }

    init(config: JSONValue?) { statements = Self.statements(of: config) }

    private static func statements(of config: JSONValue?) -> [Statement] {
        var statements: [Statement] = []
        for part in [config, config?["text_config"]] {
            for (key, method) in keys {
                guard let settings = part?[key]?.object else { continue }
                statements.append(
                    Statement(file: "config.json", key: key, settings: settings, method: self.method(of: settings) ?? method))
            }
        }
        return statements
    }

    private static func method(of settings: JSONObject) -> String? {
        if let method = settings["quant_method"]?.string { return method }
        if settings["load_in_4bit"]?.bool == true || settings["load_in_8bit"]?.bool == true { return bitsandbytes }
        // MLX states bits and group size, without a method.
        return settings["group_size"] != nil && settings["bits"] != nil ? "MLX" : nil
    }

    private static func parse(_ file: CompanionFile, path: String) throws(FileError) -> JSONValue {
        guard file.byteCount <= byteCountLimit else {
            throw FileError(path, at: file.name, "has \(file.byteCount) bytes, but at most \(byteCountLimit) are parsed")
        }
        let bytes = try file.bytes()
        do { return try JSONValue(parsing: bytes, takesPythonNumbers: true) } catch {
            throw FileError(path, at: file.name, error.description, hint: "fetch it again: it says how the weights are quantized")
        }
    }

    static let bitsandbytes = "bitsandbytes"

    /// The first statement of one of these methods (in lower case); those without any method are of all.
    package func statement(of methods: Set<String>) -> Statement? {
        statements.first { $0.method.map { methods.contains($0.lowercased()) } ?? true }
    }

    /// What config.json calls the quantization; of several the first. That of 4-bit bitsandbytes is among them.
    var methodOfConfig: String? {
        guard let found = statements.first(where: { $0.file == "config.json" && $0.method != nil }), let method = found.method else {
            return nil
        }
        return method == Self.bitsandbytes && found.settings["load_in_8bit"]?.bool == true ? "bitsandbytes 8-bit" : method
    }

    /// The same config.json without what it says of a quantization; nil where it says nothing.
    static func removed(from config: JSONObject) -> JSONObject? {
        var result = config
        for (key, _) in keys where result[key]?.object != nil { result[key] = nil }
        if var text = result["text_config"]?.object {
            for (key, _) in keys where text[key]?.object != nil { text[key] = nil }
            if text.members.count != result["text_config"]?.object?.members.count { result["text_config"] = .object(text) }
        }
        return JSONValue.object(result) == .object(config) ? nil : result
    }
}
