import ByteIO

/// Files under `Tests/Fixtures` and elsewhere in the repository.
package enum Fixture {
    private static let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

    /// `llama/nf4-bf16`: what transformers and bitsandbytes wrote.
    package static func checkpoint(_ name: String) -> String { "\(repository)/Tests/Fixtures/checkpoints/\(name)" }

    /// `llama-dora`: an adapter that PEFT wrote.
    package static func adapter(_ name: String) -> String { "\(repository)/Tests/Fixtures/adapters/\(name)" }

    /// `rows-tied`: an adapter of embedding or head that PEFT wrote, with what it computes; `tied`, `untied`: their bases.
    package static func bound(_ name: String) -> String { "\(repository)/Tests/Fixtures/bound/\(name)" }

    /// `qwen3`: a tiny model with the logits that transformers computed.
    package static func transformer(_ name: String) -> String { "\(repository)/Tests/Fixtures/transformer/\(name)" }

    /// `lora-llama-zero`: a trace of PyTorch, without the ends of its files.
    package static func training(_ name: String) -> String { "\(repository)/Tests/Fixtures/training/\(name)" }

    package static func tensorFlow(_ name: String) -> String { "\(repository)/Tests/Fixtures/tensorflow/\(name)" }

    /// `llama-hf`: a trained sample model.
    package static func sample(_ name: String) -> String { "\(repository)/samples/\(name)" }

    /// Lines of a table of tab-separated fields.
    package static func table(_ name: String) throws -> [[String]] {
        let bytes = try InputFile(path: checkpoint(name)).allBytes(limit: 1 << 20)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
            line.split(separator: "\t").map(String.init)
        }
    }

    /// OpenAI's GPT-2 layout: the bundle that TensorFlow wrote, with the files that lie beside it.
    package static func makeOpenAIFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["checkpoint", "model.ckpt.index", "model.ckpt.data-00000-of-00001"] { try folder.copy(tensorFlow("openai/\(name)")) }
        for name in ["hparams.json", "encoder.json", "vocab.bpe"] { try folder.copy(checkpoint("gpt2-tensorflow/\(name)")) }
        return folder
    }
}
