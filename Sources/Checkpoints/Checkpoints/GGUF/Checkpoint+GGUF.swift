import ByteIO
package import GGUFFormat
import JSONText

extension Checkpoint {
    /// A GGUF file: of a known family as the Hugging Face model of the same weights, else under its own names.
    ///
    /// What lies beside it is not its own: everything that belongs to the model is inside.
    static func openGGUF(_ file: GGUFSource) throws(FileError) -> Checkpoint {
        let model: GGUFModel
        do throws(GGUFNotFollowed) { model = try GGUFModel(file) } catch {
            return try Checkpoint(
                path: file.path, kind: .gguf, source: file, files: [],
                warnings: ["tensors keep the names that the file has, and the model cannot be run: \(error.message)"])
        }
        return try Checkpoint(
            path: file.path, kind: .gguf, source: model, files: GGUFCompanions(file.metadata, config: model.config).files)
    }

    /// The file with its keys, where the model came from one.
    package var gguf: GGUFSource? { source as? GGUFSource ?? (source as? GGUFModel)?.file }
}

/// The files that a Hugging Face folder of a GGUF file's model has beside the weights.
struct GGUFCompanions {
    let files: [CompanionFile]

    init(_ metadata: GGUFMetadata, config: JSONObject) throws(FileError) {
        var files = [Self.document("config.json", config)]
        var ends: [Int] = []
        for key in ["eos", "eot"] {
            guard let end = try metadata.integer("tokenizer.ggml.\(key)_token_id"), !ends.contains(end) else { continue }
            ends.append(end)
        }
        var generation = JSONObject(["_from_model_config": .bool(true)])
        generation["bos_token_id"] = config["bos_token_id"]
        if let end = ends.first { generation["eos_token_id"] = ends.count == 1 ? .integer(end) : .array(ends.map { .integer($0) }) }
        files.append(Self.document("generation_config.json", generation))
        if let template = try metadata.string("tokenizer.chat_template") {
            files.append(CompanionFile(name: "chat_template.jinja", content: .bytes(Array(template.utf8))))
        }
        self.files = files.sorted { $0.name < $1.name }
    }

    private static func document(_ name: String, _ object: JSONObject) -> CompanionFile {
        CompanionFile(name: name, content: .bytes(Array((JSONValue.object(object).text(.indented) + "\n").utf8)))
    }
}
