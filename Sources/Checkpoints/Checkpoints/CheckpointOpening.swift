package import ByteIO
import ContainerKit
import FlatFormat
import GGUFFormat
import JSONText
import PyTorchFormat
import SafetensorsFormat
import TensorCore
import TensorFlowFormat

extension Checkpoint {
    /// Opens whatever lies at `path`: a file of any known kind, or a folder that holds one model.
    package static func open(_ path: String) throws(FileError) -> Checkpoint {
        switch FilePath.kind(of: path) {
        case .missing: return try openPrefix(path)
        case .folder: return try openFolder(path)
        case .file: return try openFile(path)
        case .other: throw FileError(path, "is neither a file nor a folder")
        }
    }

    private static func openFile(_ path: String) throws(FileError) -> Checkpoint {
        let probe = try FileProbe(path: path)
        if let format = ContainerRegistry.all.format(of: probe) { return try make(format.open(probe), format, path: path) }
        let name = probe.file.name
        if name == "checkpoint" { return try openTensorFlow(folder: FilePath.folder(of: path)) }
        // Told by its name, a file too damaged to be recognised gets the error of the format it should have.
        if path.hasSuffix(".safetensors") || path.hasSuffix(".qnf") { return try openSafetensors(SafetensorsFile(probe.file)) }
        if path.hasSuffix(".gguf"), probe.file.byteCount > 0 { _ = try GGUFSource(probe.file) }
        // Parts of a TensorFlow checkpoint, or an index too damaged to be recognised: the bundle says what is wrong.
        let isBundlePart = name.hasSuffix(".meta") || name.contains(".data-") || name.hasSuffix(".index")
        if isBundlePart { _ = try TensorBundle.open(path: path) }
        throw ContainerRegistry.refusal(probe)
    }

    /// What the tensors of a container mean, by what lies beside it and inside.
    private static func make(_ source: any TensorSource, _ format: ContainerFormat, path: String) throws(FileError) -> Checkpoint {
        switch source {
        case let file as SafetensorsFile: return try openSafetensors(file)
        case let shards as ShardedSource: return try openShards(shards)
        case let bundle as TensorBundle: return try openTensorFlow(bundle, folder: FilePath.folder(of: path), path: path)
        case let file as GGUFSource: return try openGGUF(file)
        case let file as PyTorchFile: return try openPyTorch(file)
        case let file as FlatFile: return try openFlat(file)
        default:
            let companions = try CompanionFile.all(inFolder: FilePath.folder(of: path))
            return try Checkpoint(path: path, kind: Kind(container: format.name, layout: .plain), source: source, files: companions)
        }
    }

    private static func openSafetensors(_ source: SafetensorsFile) throws(FileError) -> Checkpoint {
        let file = source.file
        if QNFMetadata.isPresent(in: source) { return try openQNF(source) }
        let isLoRA = source.header.metadata.contains { $0.key.hasPrefix(adapterKeyPrefix) }
        if isLoRA || file.name == "adapter_model.safetensors" { throw adapterError(file.path) }
        let folder = FilePath.folder(of: file.path)
        let companions = try CompanionFile.all(inFolder: folder)
        // A lone shard is opened as itself: the config beside it describes more than it holds.
        let hasIndex = try FilePath.entries(of: folder).contains { $0.hasSuffix(".safetensors.index.json") }
        let isShard = isOwnShard(file.name) || hasIndex && !isOwnFile(file.name)
        if !isShard, let own = try openOwn([source], path: file.path, folder: folder, container: Kind.safetensors.container) { return own }
        let hasModel = companions.contains { $0.name == "config.json" } && !isShard
        return try Checkpoint(
            path: file.path, kind: .safetensors, source: source, files: hasModel ? companions : [],
            warnings: isShard ? ["this is one shard of several; open the folder for the whole model"] : [])
    }

    private static func openQNF(_ source: SafetensorsFile) throws(FileError) -> Checkpoint {
        let metadata = try QNFMetadata(of: source)
        let header = source.header
        let files = header.tensors.indices.filter { header.tensors[$0].name.hasPrefix(QNFMetadata.filePrefix) }.map { index in
            CompanionFile(
                name: String(header.tensors[index].name.dropFirst(QNFMetadata.filePrefix.count)),
                content: .part(
                    of: source.file, offset: source.dataStart + header.dataOffsets[index], byteCount: header.tensors[index].byteCount))
        }
        for file in files {
            guard TemplateFolder.isFileName(file.name) else {
                throw FileError(
                    source.path, at: "tensor '\(QNFMetadata.filePrefix)\(file.name)'", "'\(file.name)' is no name of a file in a folder",
                    hint: "do not use this model: extracting it would write elsewhere")
            }
        }
        return try Checkpoint(path: source.path, kind: .qnf, source: source, files: files.sorted { $0.name < $1.name }, metadata: metadata)
    }

    private static func openShards(_ source: ShardedSource) throws(FileError) -> Checkpoint {
        let path = source.path, folder = FilePath.folder(of: path)
        let container = (source.isPickled ? Kind.pyTorch : .safetensors).container
        if let own = try openOwn([source], path: path, folder: folder, container: container) { return own.guided(by: source.indexFile) }
        let companions = try CompanionFile.all(inFolder: folder)
        let byteCount = source.tensors.reduce(0) { $0 + $1.byteCount }
        var warnings: [String] = []
        if let stated = source.statedByteCount, stated != byteCount {
            warnings.append("the index says that the tensors have \(stated) bytes together, but they have \(byteCount)")
        }
        return try Checkpoint(
            path: path, kind: source.isPickled ? .pyTorchFolder : .huggingFace, source: source, files: companions,
            guides: [source.indexFile], warnings: warnings)
    }

    private static func openPyTorch(_ source: PyTorchFile) throws(FileError) -> Checkpoint {
        let file = source.files[0]
        let isLoRA = source.tensors.contains { $0.name.hasPrefix("base_model.model.") && $0.name.contains(".lora_") }
        if isLoRA || file.name == ModelFolder.pickledAdapterName { throw adapterError(file.path) }
        if let own = try openOwnPickle(source) { return own }
        let folder = FilePath.folder(of: file.path)
        let companions = try CompanionFile.all(inFolder: folder)
        let hasIndex = try FilePath.entries(of: folder).contains(ModelFolder.pickledIndexName), isPiece = try pieceCount(of: source) > 1
        let isShard = hasIndex || isPiece
        let hasModel = companions.contains { $0.name == "config.json" } && !isShard
        return try Checkpoint(
            path: file.path, kind: .pyTorch, source: source, files: hasModel ? companions : [],
            warnings: isShard ? ["this is one shard of several; open the folder for the whole model"] : [])
    }

    /// A folder as transformers wrote it until 2023.
    private static func openPickles(_ path: String, _ names: [String]) throws(FileError) -> Checkpoint? {
        if names.contains(ModelFolder.pickledIndexName) { return try openFile(FilePath.join(path, ModelFolder.pickledIndexName)) }
        guard names.contains(ModelFolder.pickledName) else { return nil }
        let probe = try FileProbe(path: FilePath.join(path, ModelFolder.pickledName))
        guard ContainerFormat.pyTorch.recognizes(probe) else { return try openFile(probe.file.path) }
        return try Checkpoint(
            path: path, kind: .pyTorchFolder, source: try PyTorchFile(probe.file), files: try CompanionFile.all(inFolder: path))
    }

    private static func openFolder(_ path: String) throws(FileError) -> Checkpoint {
        let names = try FilePath.entries(of: path)
        func inside(_ name: String) -> String { FilePath.join(path, name) }
        let adapterFiles = ModelFolder.adapterNames.filter(names.contains)
        guard adapterFiles.isEmpty || ModelFolder.holdsModel(names) else { throw adapterError(path) }
        let strays = adapterFiles.map { "\($0) lies beside the model; the adapter is not applied" }
        if names.contains("model.safetensors") {
            let probe = try FileProbe(path: inside("model.safetensors"))
            guard ContainerFormat.safetensors.recognizes(probe) else { return try openFile(probe.file.path) }
            let source = try SafetensorsFile(probe.file)
            // A folder whose model.safetensors is (a link to) a .qnf is what qnf.md promises to Python.
            if QNFMetadata.isPresent(in: source) { return try openQNF(source) }
            return try Checkpoint(
                path: path, kind: .huggingFace, source: source, files: try CompanionFile.all(inFolder: path), warnings: strays,
                defects: ModelFolder.hiddenShards(names).map { [$0] } ?? [])
        }
        if let shards = try openOwnShards(path, names) { return shards.adding(warnings: strays) }
        for suffix in [".safetensors.index.json", ".safetensors", ".qnf"] {
            let found = ModelFolder.withoutOwnLayout(names.filter { $0.hasSuffix(suffix) && !adapterFiles.contains($0) })
            if found.count == 1 { return try openFile(inside(found[0])).adding(warnings: strays) }
            if found.count > 1 { throw severalError(path, found, suffix: suffix) }
        }
        if let pickled = try openPickles(path, names) { return pickled.adding(warnings: strays) }
        let gguf = names.filter { $0.hasSuffix(".gguf") }
        if let first = gguf.first {
            guard gguf.count == 1 || GGUFSplit.arePartsOfOne(gguf) else { throw severalError(path, gguf, suffix: ".gguf") }
            return try openFile(inside(first)).adding(warnings: strays)
        }
        let hasVariables = FilePath.kind(of: inside("variables")) == .folder
        if names.contains("checkpoint") || names.contains(where: { $0.hasSuffix(".index") }) || hasVariables {
            return try openTensorFlow(folder: path)
        }
        if let pieces = try openPieces(path, names) { return pieces.adding(warnings: strays) }
        for suffix in [".bin", ".pth", ".pt", ".ckpt", ".h5"] {
            let found = names.filter { name in
                name.hasSuffix(suffix) && !ModelFolder.isTrainingState(name) && !ModelFolder.isTokenizer(name)
                    && !adapterFiles.contains(name)
            }
            if found.count == 1 { return try openFile(inside(found[0])).adding(warnings: strays) }
            if found.count > 1 { throw severalError(path, found, suffix: suffix) }
        }
        let listed = names.isEmpty ? "it is empty" : "it holds \(names.prefix(5).joined(separator: ", "))\(names.count > 5 ? ", ..." : "")"
        throw FileError(
            path, "holds no model: \(listed)", hint: "a model is a .safetensors, .gguf, .bin or .qnf file, or a TensorFlow checkpoint")
    }

    /// TensorFlow names a checkpoint by a prefix that is no file: `model.ckpt` for `model.ckpt.index` and its data.
    private static func openPrefix(_ path: String) throws(FileError) -> Checkpoint {
        guard FilePath.kind(of: path + ".index") == .file else { throw FileError(path, "does not exist") }
        return try openTensorFlow(TensorBundle.open(prefix: path), folder: FilePath.folder(of: path), path: path)
    }

    private static func openTensorFlow(folder: String) throws(FileError) -> Checkpoint {
        try openTensorFlow(TensorBundle.open(folder: folder), folder: folder, path: folder)
    }

    private static func openTensorFlow(_ bundle: TensorBundle, folder: String, path: String) throws(FileError) -> Checkpoint {
        if let model = try GPT2TensorFlow(bundle: bundle, folder: folder) {
            return try Checkpoint(
                path: path, kind: .gpt2TensorFlow, source: model, files: model.companions, guides: [model.parametersFile],
                warnings: model.warnings)
        }
        return try Checkpoint(path: path, kind: .tensorFlow, source: bundle, files: [])
    }

    private static func severalError(_ path: String, _ names: [String], suffix: String) -> FileError {
        let listed = names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", ..." : "")
        // `model-00001-of-00003.safetensors`: without the index nobody knows whether all of them are there.
        let areShards = suffix == ".safetensors" && names.allSatisfy { $0.contains("-of-") }
        return FileError(
            path, "holds \(names.count) files ending in '\(suffix)' (\(listed))",
            hint: areShards ? "these are shards; fetch the .safetensors.index.json that belongs to them" : "name one of them")
    }

    /// Keys of `__metadata__` in a .lora file begin with this (formats/lora.md).
    private static let adapterKeyPrefix = "lora."

    static func adapterError(_ path: String) -> FileError {
        FileError(
            path, "is an adapter, not a model",
            hint: "name its base model here; `AdapterListing` shows the adapter, `Merge` merges the two")
    }
}
