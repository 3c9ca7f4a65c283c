import ByteIO

/// Files under `Tests/Fixtures` and elsewhere in the repository.
package enum Fixture {
    package static let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// `llama/nf4-bf16`: what transformers and bitsandbytes wrote.
    package static func checkpoint(_ name: String) -> String { path("checkpoints/\(name)") }

    /// `llama-dora`: an adapter that PEFT wrote.
    package static func adapter(_ name: String) -> String { path("adapters/\(name)") }

    /// `rows-tied`: an adapter of embedding or head that PEFT wrote, with what it computes; `tied`, `untied`: their bases.
    package static func bound(_ name: String) -> String { path("bound/\(name)") }

    /// `qwen3`: a tiny model with the logits that transformers computed.
    package static func transformer(_ name: String) -> String { path("transformer/\(name)") }

    /// `phi3`: a tiny model, with what transformers computes of it.
    package static func family(_ name: String) -> String { path("families/\(name)") }

    /// `mixtral`: a tiny model with experts, with the reference of transformers.
    package static func mixture(_ name: String) -> String { path("mixtures/\(name)") }

    /// `lora-llama-zero`: a trace of PyTorch, without the ends of its files.
    package static func training(_ name: String) -> String { path("training/\(name)") }

    package static func tensorFlow(_ name: String) -> String { path("tensorflow/\(name)") }

    /// Anything below `Tests/Fixtures`.
    package static func path(_ name: String) -> String { "\(repository)/Tests/Fixtures/\(name)" }

    /// `llama-hf`: a trained sample model.
    package static func sample(_ name: String) -> String { "\(repository)/samples/\(name)" }

    /// A document of `formats/`.
    package static func document(_ name: String) throws -> String { try text(at: "\(repository)/formats/\(name)") }

    /// All of a file.
    package static func bytes(_ path: String) throws -> [UInt8] { try InputFile(path: path).allBytes(limit: 64 << 20) }

    package static func text(at path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

    /// Lines of a table of tab-separated fields below `Tests/Fixtures`.
    package static func table(_ name: String) throws -> [[String]] {
        table(in: try text(at: path(name)))
    }

    package static func table(in text: String) -> [[String]] {
        text.split(separator: "\n").map { line in line.split(separator: "\t").map(String.init) }
    }

    /// OpenAI's GPT-2 layout: the bundle that TensorFlow wrote, with the files that lie beside it.
    package static func makeOpenAIFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["checkpoint", "model.ckpt.index", "model.ckpt.data-00000-of-00001"] { try folder.copy(tensorFlow("openai/\(name)")) }
        for name in ["hparams.json", "encoder.json", "vocab.bpe"] { try folder.copy(checkpoint("gpt2-tensorflow/\(name)")) }
        return folder
    }
}
