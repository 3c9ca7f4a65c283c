package import ByteIO

/// What the names of the files in a folder say of it, before any is opened.
package enum ModelFolder {
    /// The files of a PEFT adapter.
    package static let adapterNames = ["adapter_config.json", "adapter_model.safetensors", pickledAdapterName]
    /// As PEFT wrote one until version 0.6.
    package static let pickledAdapterName = "adapter_model.bin"
    /// As transformers wrote a model until 2023, and the index of its shards.
    package static let pickledName = "pytorch_model.bin"
    package static let pickledIndexName = "pytorch_model.bin.index.json"

    /// Whether weights of a model lie there, be it beside the files of an adapter.
    package static func holdsModel(_ names: [String]) -> Bool {
        if names.contains(where: { ["model.safetensors", pickledName, pickledIndexName].contains($0) }) { return true }
        let hasConfig = names.contains("config.json")
        return names.contains { name in
            if adapterNames.contains(name) { return false }
            return name.hasSuffix(".safetensors.index.json") || name.hasSuffix(".qnf") || hasConfig && name.hasSuffix(".safetensors")
        }
    }

    /// Files of a training run, which are no model although they are named like one.
    package static func isTrainingState(_ name: String) -> Bool {
        ["training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scheduler.bin", "scaler.pt", "rng_state.pth"].contains(name)
            || name.hasPrefix("rng_state_")
    }

    /// Files of tokens, which end like models.
    package static func isTokenizer(_ name: String) -> Bool { ["tokenizer.bin", "gpt2_tokenizer.bin"].contains(name) }

    /// Without Mistral's own files, where those of the same model for transformers lie beside them.
    package static func withoutOwnLayout(_ names: [String]) -> [String] {
        let others = names.filter { !$0.hasPrefix("consolidated") }
        return others.isEmpty ? names : others
    }

    /// What is wrong where shards lie beside a `model.safetensors`, which is read in their place; nil where none do.
    package static func hiddenShards(_ names: [String]) -> String? {
        let shards = names.filter { $0.hasPrefix("model-") && $0.contains("-of-") && $0.hasSuffix(".safetensors") }.sorted()
        guard let first = shards.first else { return nil }
        let listed = shards.count == 1 ? "the shard '\(first)'" : "\(shards.count) shards ('\(first)', ...)"
        return "model.safetensors is read, as other libraries do, and hides \(listed): remove what is not the model"
    }
}

extension OutputForm {
    /// As transformers and PEFT write one, and what an undo of a merge leaves there.
    package static let modelFolder = OutputForm.folder(
        Folder(
            "model folder", suffixes: [".safetensors", ".json", ".jinja", ".txt", ".model", ".md", ".undo", "LICENSE", "NOTICE"],
            marks: "config.json nor a .safetensors file"
        ) { $0.hasSuffix(".safetensors") || $0 == "config.json" })
}

extension AtomicOutput {
    /// - Parameter isFolder: a folder of a model or an adapter instead of one file.
    package init(destination: String, isFolder: Bool, replaces: Bool, inputs: [InputFile] = []) throws(FileError) {
        try self.init(destination: destination, form: isFolder ? .modelFolder : .file, replaces: replaces, inputs: inputs)
    }
}
