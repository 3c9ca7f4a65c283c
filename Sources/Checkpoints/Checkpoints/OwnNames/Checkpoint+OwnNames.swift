import ByteIO
import ContainerKit
import FlatFormat
import JSONText
import PyTorchFormat
import SafetensorsFormat
import TensorCore

/// Models in the files of those who made them, under other names and in other orders than Hugging Face's: each is seen as the Hugging Face
/// model of the same weights.
extension Checkpoint {
    private static let parametersName = "params.json"

    /// Mistral's consolidated files, and Meta's, in names that are theirs.
    private static func isOwn(_ name: String, _ suffix: String) -> Bool { name.hasPrefix("consolidated") && name.hasSuffix(suffix) }

    static func isOwnFile(_ name: String) -> Bool { isOwn(name, ".safetensors") }

    /// `consolidated-00001-of-00002.safetensors`.
    static func isOwnShard(_ name: String) -> Bool { isOwn(name, ".safetensors") && name.contains("-of-") }

    /// A model whose tensors have Meta's names, with its params.json in the folder; nil where they have others, or there is none.
    ///
    /// - Parameter isInPieces: every source has a piece of every tensor; else each tensor is in one of them.
    static func openOwn(
        _ sources: [any TensorSource], isInPieces: Bool = false, path: String, folder: String, container: String
    ) throws(FileError) -> Checkpoint? {
        let parametersPath = FilePath.join(folder, parametersName)
        guard MetaModel.isSpelled(sources), FilePath.kind(of: parametersPath) == .file else { return nil }
        let parameters = try MetaParameters(InputFile(path: parametersPath))
        if let refusal = parameters.refusal {
            guard sources.count == 1 else { throw refusal }
            // To be looked at under the names that it has.
            return try Checkpoint(
                path: path, kind: Kind(container: container, layout: .plain), source: sources[0], files: [], guides: [parameters.file],
                warnings: ["tensors keep the names that the files have: \(refusal.description)"])
        }
        let model = try MetaModel(sources, isInPieces: isInPieces, parameters, path: path)
        let companions = try OwnCompanions(
            model.config, folder: folder, isLater: parameters.hasScaledRotation,
            advice:
                "fetch \(parameters.isMistral ? "tekken.json or tokenizer.model.v3" : "tokenizer.model") of the same model into the folder")
        return try Checkpoint(
            path: path, kind: Kind(container: container, layout: .own(parameters.isMistral ? "Mistral" : "Meta")), source: model.source,
            files: companions.files, guides: [parameters.file], warnings: model.warnings + companions.warnings)
    }

    /// Mistral's shards without an index: a folder in which no other safetensors file lies; nil where it is none.
    static func openOwnShards(_ path: String, _ names: [String]) throws(FileError) -> Checkpoint? {
        let files = names.filter { $0.hasSuffix(".safetensors") }.sorted()
        guard files.count > 1, files.allSatisfy({ isOwn($0, ".safetensors") }), names.contains(parametersName),
            !names.contains(where: { $0.hasSuffix(".safetensors.index.json") })
        else { return nil }
        try requireAll(files, path) { "consolidated-\(five($0 + 1))-of-\(five(files.count)).safetensors" }
        var sources: [any TensorSource] = []
        for name in files { sources.append(try ContainerRegistry.openShard(FilePath.join(path, name))) }
        return try openOwn(sources, path: path, folder: path, container: ContainerFormat.safetensors.name)
    }

    /// Meta's pieces, `consolidated.00.pth` and so on; nil where there are none.
    static func openPieces(_ path: String, _ names: [String]) throws(FileError) -> Checkpoint? {
        let files = names.filter { isOwn($0, ".pth") }.sorted()
        guard let first = files.first else { return nil }
        guard names.contains(parametersName) else {
            throw FileError(
                path, "holds a model in Meta's own layout ('\(first)'), but no \(parametersName), which says what the weights mean",
                hint: "fetch the \(parametersName) of the same model, or take its Hugging Face files (model*.safetensors)")
        }
        try requireAll(files, path) { "consolidated.\($0 < 10 ? "0" : "")\($0).pth" }
        var sources: [any TensorSource] = []
        for name in files {
            let probe = try FileProbe(path: FilePath.join(path, name))
            guard ContainerFormat.pyTorch.recognizes(probe) else { throw ContainerRegistry.refusal(probe) }
            sources.append(try PyTorchFile(probe.file))
        }
        if let model = try openOwn(sources, isInPieces: true, path: path, folder: path, container: ContainerFormat.pyTorch.name) {
            return model
        }
        throw FileError(
            path,
            "holds '\(first)', but its tensors have other names than Meta's: neither 'tok_embeddings.weight' nor "
                + "'layers.0.attention.wq.weight' is there", hint: "it is another kind of model, which is not read")
    }

    private static func five(_ number: Int) -> String {
        String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }

    /// Every file of a series, and no other.
    private static func requireAll(_ files: [String], _ path: String, _ name: (Int) -> String) throws(FileError) {
        for (number, file) in files.enumerated() where file != name(number) {
            throw FileError(
                path, "holds '\(file)' where '\(name(number))' is expected of \(files.count) files of one model",
                hint: "fetch all files of the model, and nothing else, into the folder")
        }
    }

    /// A file that PyTorch wrote of a model in somebody's own names; nil where it is none.
    static func openOwnPickle(_ source: PyTorchFile) throws(FileError) -> Checkpoint? {
        let path = source.path, folder = FilePath.folder(of: path)
        if let model = try NanoGPTModel(source) {
            return try gpt2(model.source, model.config, path: path, container: ContainerFormat.pyTorch.name, maker: "nanoGPT")
        }
        guard try pieceCount(of: source) == 1 else { return nil }
        return try openOwn([source], path: path, folder: folder, container: ContainerFormat.pyTorch.name)
    }

    /// How many pieces of a model lie in the folder of one of them; 1 where the file is none.
    static func pieceCount(of source: PyTorchFile) throws(FileError) -> Int {
        guard isOwn(source.files[0].name, ".pth") else { return 1 }
        return try FilePath.entries(of: FilePath.folder(of: source.path)).count { isOwn($0, ".pth") }
    }

    /// A file of llm.c or llama2.c.
    static func openFlat(_ file: FlatFile) throws(FileError) -> Checkpoint {
        switch file.header {
        case .llmC(let header):
            let model = try NanoGPTModel(file, header)
            return try gpt2(model.source, model.config, path: file.path, container: ContainerFormat.llmC.name, maker: nil)
        case .llama2C(let header): return try openLlama2C(file, header)
        }
    }

    private static func gpt2(
        _ source: RearrangedSource, _ config: JSONObject, path: String, container: String, maker: String?
    ) throws(FileError) -> Checkpoint {
        let count = config["vocab_size"]?.integer ?? 0
        let advice =
            GPT2Tokenizer.belongs(to: count)
            ? "with \(count) tokens it is GPT-2's; put its vocab.json and merges.txt, or its tokenizer.json, into the folder"
            : "the model has \(count) tokens of its own; put the tokenizer.json that it was trained with into the folder"
        let companions = try OwnCompanions(config, folder: FilePath.folder(of: path), advice: advice)
        return try Checkpoint(
            path: path, kind: Kind(container: container, layout: maker.map { .own($0) } ?? .plain), source: source, files: companions.files,
            warnings: companions.warnings)
    }

    private static func openLlama2C(_ file: FlatFile, _ header: Llama2CHeader) throws(FileError) -> Checkpoint {
        let model = try MetaModel(
            [file], isInPieces: false, config: Llama2CTokenizer.config(header), warnings: [], authority: "its header", path: file.path)
        let folder = FilePath.folder(of: file.path)
        let files = try OwnCompanions(
            model.config, folder: folder, other: Llama2CTokenizer.files(inFolder: folder, tokenCount: header.vocabularySize),
            advice: Llama2CTokenizer.advice)
        return try Checkpoint(
            path: file.path, kind: Kind(container: ContainerFormat.llama2C.name, layout: .plain), source: model.source, files: files.files,
            warnings: files.warnings)
    }
}
