import ByteIO
import ContainerKit
import FlatFormat
import GGUFFormat
import PyTorchFormat
import SafetensorsFormat
import TensorCore
import TensorFlowFormat

/// All kinds of files that are known, in the order in which they are asked.
enum ContainerRegistry {
    /// Those that hold their tensors themselves, and so may be shards, and all that is not read.
    static let files: [ContainerFormat] = [.safetensors, .pyTorch] + ContainerFormat.strangers

    static let all: [ContainerFormat] = files + [.gguf, .tensorFlow, .llmC, .llama2C, shardIndex]

    /// `*.safetensors.index.json`: told by the brace that an object begins with.
    private static let shardIndex = ContainerFormat(
        "index of shards",
        recognizes: { probe in probe.head.first { ![0x20, 0x09, 0x0a, 0x0d].contains($0) } == UInt8(ascii: "{") },
        open: { (probe) throws(FileError) in try ShardedSource(index: probe.file) })

    /// A shard of a checkpoint; what is not recognised gets the error of the format it should have.
    static func openShard(_ path: String) throws(FileError) -> any TensorSource {
        let probe = try FileProbe(path: path)
        if let format = files.format(of: probe) { return try format.open(probe) }
        guard !ContainerFormat.gguf.recognizes(probe) else {
            throw FileError(
                path, "is a GGUF file, which says itself how it is split, and no shard of an index",
                hint: "open the GGUF file instead of the index")
        }
        return try ContainerFormat.safetensors.open(probe)
    }

    /// An error that says what was found instead of what was needed.
    static func refusal(_ probe: FileProbe) -> FileError {
        if let refusal = all.format(of: probe)?.refusal { return refusal(probe) }
        let file = probe.file
        if file.byteCount == 0 { return FileError(file.path, "is empty", hint: "the download failed; fetch the file again") }
        return FileError(
            file.path, "is no model file of a known kind",
            hint: "known are safetensors, GGUF, PyTorch, llm.c and llama2.c files, .qnf, Hugging Face folders and TensorFlow checkpoints")
    }
}
