package import ByteIO
import ContainerKit
import GGUFFormat
import JSONText
import PyTorchFormat
import SafetensorsFormat
import TensorCore

extension Adapter {
    package static let configurationName = "adapter_config.json"
    package static let weightsName = "adapter_model.safetensors"

    /// adapter_config.json is read up to this length; real ones have a few kilobytes.
    static let configurationByteCountLimit = 16 << 20

    /// What a file may turn out to be.
    private static let formats: [ContainerFormat] = [.safetensors, .gguf, .pyTorch] + ContainerFormat.strangers

    private static let kinds =
        "an adapter is a PEFT folder (\(configurationName) and \(weightsName)), a .lora file, a GGUF file or a folder of mlx-lm"

    /// Opens a PEFT folder, a file of such a folder, a `.lora` file, or a GGUF file.
    package static func open(_ path: String) throws(FileError) -> Adapter {
        switch FilePath.kind(of: path) {
        case .missing: throw FileError(path, "does not exist")
        case .other: throw FileError(path, "is neither a file nor a folder")
        case .folder: return try openFolder(path, shownAs: path)
        case .file where FilePath.name(of: path) == configurationName: return try openFolder(FilePath.folder(of: path), shownAs: path)
        case .file: return try openFile(path)
        }
    }

    private static func openFolder(_ folder: String, shownAs path: String) throws(FileError) -> Adapter {
        let names = try FilePath.entries(of: folder)
        if names.contains(weightsName) {
            let file = try openTensors(FilePath.join(folder, weightsName))
            return try openPEFT(file, try AdapterMetadata(of: file), folder: folder, path: path)
        }
        guard names.contains(ModelFolder.pickledAdapterName) else {
            guard names.contains(mlxWeightsName) else { throw try missingWeights(path, folder, names) }
            return try openMLX(openTensors(FilePath.join(folder, mlxWeightsName)), folder: folder, path: path)
        }
        let probe = try FileProbe(path: FilePath.join(folder, ModelFolder.pickledAdapterName))
        guard ContainerFormat.pyTorch.recognizes(probe) else { return try openPEFT(openTensors(probe), folder: folder, path: path) }
        return try openPickled(probe.file, folder: folder, path: path)
    }

    private static func openFile(_ path: String) throws(FileError) -> Adapter {
        let probe = try FileProbe(path: path)
        if ContainerFormat.gguf.recognizes(probe) { return try openGGUF(probe.file, path: path) }
        if formats.format(of: probe)?.name == ContainerFormat.pyTorch.name {
            return try openPickled(probe.file, folder: FilePath.folder(of: path), path: path)
        }
        let file = try openTensors(probe)
        let metadata = try AdapterMetadata(of: file)
        if let text = metadata.configuration {
            let place = "\(path): __metadata__: \(AdapterMetadata.Key.configuration)"
            let configuration = try AdapterConfiguration(parsing: Array(text.utf8), path: place)
            return try Adapter(path: path, form: .lora, stored: file, metadata: metadata, configuration: configuration)
        }
        if let foreign = ForeignAdapter(file.tensors) { throw foreign.refusal(path: path, file.tensors) }
        let folder = FilePath.folder(of: path)
        if MLXAdapterTensors.areFactors(file.tensors) { return try openMLX(file, folder: folder, path: path) }
        return try openPEFT(file, metadata, folder: folder, path: path)
    }

    /// As PEFT wrote one until version 0.6.
    private static func openPickled(_ file: InputFile, folder: String, path: String) throws(FileError) -> Adapter {
        let source = try PyTorchFile(file)
        guard source.tensors.contains(where: { $0.elementCount > 0 }) else {
            throw FileError(
                file.path, "has \(source.tensors.count) tensors, all of them empty",
                hint:
                    "the training program saved no weights (DeepSpeed's ZeRO-3 has to gather them first); train again, or ask for the file")
        }
        return try openPEFT(source, folder: folder, path: path)
    }

    /// A file that is known to be something else gets the error that says so.
    private static func openTensors(_ path: String) throws(FileError) -> SafetensorsFile { try openTensors(FileProbe(path: path)) }

    private static func openTensors(_ probe: FileProbe) throws(FileError) -> SafetensorsFile {
        let format = formats.format(of: probe)
        if let refusal = format?.refusal { throw refusal(probe) }
        guard format?.name != ContainerFormat.gguf.name else {
            throw FileError(probe.file.path, "is a GGUF file", hint: kinds)
        }
        return try SafetensorsFile(probe.file)
    }

    private static func openPEFT(
        _ source: any TensorSource, _ metadata: AdapterMetadata? = nil, folder: String, path: String
    ) throws(FileError) -> Adapter {
        let configurationFile = FilePath.join(folder, configurationName)
        guard FilePath.kind(of: configurationFile) != .missing else {
            guard FilePath.kind(of: path) == .file else {
                throw FileError(path, "has no \(configurationName)", hint: "without it nobody knows the scaling; fetch it, too")
            }
            let isAdapter = source.tensors.contains { $0.name.contains("lora_") }
            throw FileError(
                path, isAdapter ? "has the tensors of an adapter, but no \(configurationName) lies beside it" : "is no adapter",
                hint: isAdapter ? "without it nobody knows the scaling; fetch it, too" : kinds)
        }
        let guide = try InputFile(path: configurationFile)
        let configuration = try AdapterConfiguration(
            parsing: try guide.allBytes(limit: configurationByteCountLimit), path: configurationFile)
        return try Adapter(
            path: path, form: .peft, stored: source, metadata: metadata, configuration: configuration, guides: [guide])
    }

    /// What a folder is that has no weights of an adapter under their name.
    private static func missingWeights(_ path: String, _ folder: String, _ names: [String]) throws(FileError) -> FileError {
        if names.contains("adapters.npz") {
            return FileError(
                path, "is an MLX adapter in NumPy's form (adapters.npz), as mlx-lm wrote it until 2024, which is not read",
                hint: "save it again with a present mlx-lm, as \(mlxWeightsName)")
        }
        if names.contains(configurationName) {
            return FileError(path, "has \(configurationName), but no \(weightsName)", hint: "the download is incomplete; fetch it, too")
        }
        let weights = names.filter { $0.hasSuffix(".safetensors") }
        if weights.count == 1, !names.contains("config.json") {
            let file = try openTensors(FilePath.join(folder, weights[0]))
            if let foreign = ForeignAdapter(file.tensors) { return foreign.refusal(path: file.path, file.tensors) }
        }
        if let name = names.first(where: { $0.hasSuffix(".gguf") && isPresent(at: FilePath.join(folder, $0)) }) {
            return FileError(path, "holds an adapter in a GGUF file ('\(JSONError.excerpt(name))')", hint: "name the file itself")
        }
        let isModel = names.contains("config.json") || names.contains { $0.hasSuffix(".safetensors") }
        return FileError(
            path, isModel ? "is a model, not an adapter" : "holds no adapter", hint: kinds)
    }
}
