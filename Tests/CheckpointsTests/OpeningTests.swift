import ByteIO
import Glibc
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// What lies at a path is told by its content, and what cannot be read is named with the next step to take.
@Suite struct OpeningTests {
    /// The whole text of the error of opening `name` in the folder, with `FOLDER` for the folder's path.
    static func refusal(_ name: String = "", in folder: TemporaryFolder) -> String {
        do throws(FileError) {
            let checkpoint = try Checkpoint.open(name.isEmpty ? folder.path : folder.path(name))
            return "opened as \(checkpoint.kind.title)"
        } catch {
            let text = error.hint.map { "\(error.description); hint: \($0)" } ?? error.description
            return text.replacing(folder.path, with: "FOLDER")
        }
    }

    static let small = [StoredTensor("layers.0.weight", [2, 2], [1, 2, 3, 4]), StoredTensor("norm", [1], [5])]

    struct Content: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let refusal: String

        init(_ name: String, _ bytes: [UInt8], _ refusal: String) {
            (self.name, self.bytes, self.refusal) = (name, bytes, refusal)
        }

        init(_ name: String, _ text: String, _ refusal: String) { self.init(name, Array(text.utf8), refusal) }

        var testDescription: String { name }
    }

    // MARK: - Files

    static let unreadable = [
        Content(
            "pointer.safetensors",
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
            "is a Git LFS pointer, not the file itself (the real one has 12345 bytes); "
                + "hint: run 'git lfs pull' in the repository, or download the file itself"),
        Content(
            "sizeless", "version https://git-lfs.github.com/spec/v1\n",
            "is a Git LFS pointer, not the file itself (its size is not given); "
                + "hint: run 'git lfs pull' in the repository, or download the file itself"),
        Content(
            "page.safetensors", "\n <!DOCTYPE html><html><title>404</title>",
            "is an HTML page, not a model; hint: the download was answered with a web page (a login or an error); fetch the file again"),
        Content(
            "page.bin", "<html lang=\"en\">",
            "is an HTML page, not a model; hint: the download was answered with a web page (a login or an error); fetch the file again"),
        Content(
            "denied", "<?xml version=\"1.0\"?><Error>AccessDenied</Error>",
            "is an XML document, not a model; hint: the download was answered with an error; fetch the file again"),
        Content(
            "pytorch_model.bin", "PK\u{3}\u{4}rest",
            "begins like a zip archive, but has no directory at its end; hint: the download is incomplete; fetch the file again"),
        Content(
            "old.pth", [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc],
            "byte 4: 10 bytes of a pickle are needed here, but 2 are left; hint: the download is incomplete; fetch the file again"),
        Content(
            "model.gguf", "GGUF\u{3}\u{0}\u{0}\u{0}",
            "has 8 bytes, but a GGUF file has at least 24; hint: the download is incomplete; fetch the file again"),
        Content(
            "text.gguf", "Dear diary, today I wrote to you",
            "byte 0: the file begins with the bytes 44 65 61 72, but a GGUF file begins with 47 47 55 46"),
        Content("model.tar.gz", [0x1f, 0x8b, 0x08, 0x00], "is a gzip archive; hint: unpack it first"),
        Content(
            "tf_model.h5", [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a],
            "is an HDF5 file; hint: HDF5 is not read; save the model as safetensors"),
        Content(
            "wte.npy", [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 0x01, 0x00],
            "is a NumPy array; hint: save the arrays as safetensors (safetensors.numpy.save_file)"),
        Content("nothing", "", "is empty; hint: the download failed; fetch the file again"),
        Content(
            "notes.txt", "Dear diary, today",
            "is no model file of a known kind; hint: known are safetensors, GGUF, PyTorch, llm.c and llama2.c files, .qnf, Hugging Face folders and TensorFlow checkpoints"
        ),
        Content(
            "weights", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            "is no model file of a known kind; hint: known are safetensors, GGUF, PyTorch, llm.c and llama2.c files, .qnf, Hugging Face folders and TensorFlow checkpoints"
        ),
        Content(
            "other.json", "{\"a\": 1}",
            "is JSON, but without an object 'weight_map', so it is no index of safetensors shards; "
                + "hint: if it came in place of a model, it is the server's answer: look into it, and fetch the file again"),
        Content("broken.json", "{\"a\": ", "byte 6: the text ends where a value should be"),
        Content(
            "nothing.safetensors", "",
            "has 0 bytes, but a safetensors file has at least 8; hint: the download is incomplete; fetch the file again"),
        Content(
            "text.safetensors", "Dear diary, today",
            "byte 0: the header length is 7019251584754345284, but at most 100000000 is possible; "
                + "hint: this is no safetensors file, or its beginning is damaged"),
        Content(
            "text.qnf", "Dear diary, today",
            "byte 0: the header length is 7019251584754345284, but at most 100000000 is possible; "
                + "hint: this is no safetensors file, or its beginning is damaged"),
    ]

    @Test(arguments: unreadable) func namesWhatAFileIs(_ content: Content) throws {
        let folder = try TemporaryFolder()
        try folder.write(content.bytes, to: content.name)
        #expect(Self.refusal(content.name, in: folder) == "FOLDER/\(content.name): \(content.refusal)")
    }

    @Test func namesWhatIsMissing() throws {
        let folder = try TemporaryFolder()
        #expect(Self.refusal("gone.safetensors", in: folder) == "FOLDER/gone.safetensors: does not exist")
        #expect(Self.refusal("gone/model", in: folder) == "FOLDER/gone/model: does not exist")
        #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
        #expect(Self.refusal("pipe", in: folder) == "FOLDER/pipe: is neither a file nor a folder")
    }

    /// Every beginning of a file is refused, whatever its name.
    @Test(arguments: ["model.safetensors", "model"]) func refusesEveryTruncation(_ name: String) throws {
        let folder = try TemporaryFolder()
        let whole = Self.small.safetensors()
        for count in 0..<whole.count {
            try folder.write(Array(whole[..<count]), to: name)
            #expect(!Self.refusal(name, in: folder).hasPrefix("opened"), "\(count) bytes")
        }
        try folder.write(Array(whole[..<(whole.count - 3)]), to: name)
        #expect(
            Self.refusal(name, in: folder)
                == "FOLDER/\(name): the header describes 20 bytes of data, but 17 follow it (3 missing); "
                + "hint: the download is incomplete; fetch the file again")
        try folder.write(whole, to: name)
        #expect(Self.refusal(name, in: folder) == "opened as safetensors")
    }

    /// The length of the header decides how a file begins: none may look like another format.
    @Test func headersOfAnyLengthAreSafetensors() throws {
        let folder = try TemporaryFolder()
        let shortest = Self.small.safetensors(metadata: ["k": ""]).count - 20 - 8
        for length in [0x0280, 0x0380, 0x0480, 0x0580, 0x8b1f, 0x0a0d, 0x3c, 0x200a] where length >= shortest {
            let padding = String(repeating: "x", count: length - shortest)
            let bytes = Self.small.safetensors(metadata: ["k": padding])
            #expect(bytes[0] == UInt8(length & 255) && bytes[1] == UInt8(length >> 8))
            try folder.write(bytes, to: "model")
            #expect(Self.refusal("model", in: folder) == "opened as safetensors", "\(length)")
        }
    }

    // MARK: - Folders

    @Test func opensWhateverOneFolderHolds() throws {
        for name in ["model.safetensors", "weights.safetensors", "pruned.qnf"] {
            let folder = try TemporaryFolder()
            try folder.write(Self.small.safetensors(), to: name)
            try folder.write("{\"model_type\": \"x\"}", to: "config.json")
            try folder.write("text", to: "README.md")
            let checkpoint = try Checkpoint.open(folder.path)
            #expect(checkpoint.kind == (name == "model.safetensors" ? .huggingFace : .safetensors))
            #expect(checkpoint.tensors.map(\.name) == ["layers.0.weight", "norm"])
            #expect(checkpoint.files.map(\.name) == ["config.json"])
            #expect(checkpoint.architecture == ModelIdentity(modelType: "x"))
            #expect(try Checkpoint.open(folder.path + "/").tensors.count == 2)
        }
    }

    @Test func companionsTravelWithALoneFile() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.small.safetensors(), to: "model.safetensors")
        try folder.write("[]", to: "tokenizer.json")
        #expect(try Checkpoint.open(folder.path("model.safetensors")).files.isEmpty)
        try folder.write("{}", to: "config.json")
        #expect(try Checkpoint.open(folder.path("model.safetensors")).files.map(\.name) == ["config.json", "tokenizer.json"])
    }

    @Test func loneShardIsOpenedAsItself() throws {
        let path = Fixture.checkpoint("llama/dense-f32/model-00002-of-00007.safetensors")
        let checkpoint = try Checkpoint.open(path)
        #expect(checkpoint.kind == .safetensors && checkpoint.files.isEmpty)
        #expect(checkpoint.warnings == ["this is one shard of several; open the folder for the whole model"])
    }

    static let folders: [(names: [String], refusal: String)] = [
        ([], "FOLDER: holds no model: it is empty; hint: a model is a .safetensors, .gguf, .bin or .qnf file, or a TensorFlow checkpoint"),
        (
            ["a.txt", "b.txt"],
            "FOLDER: holds no model: it holds a.txt, b.txt; hint: a model is a .safetensors, .gguf, .bin or .qnf file, or a TensorFlow checkpoint"
        ),
        (
            ["1", "2", "3", "4", "5", "6"],
            "FOLDER: holds no model: it holds 1, 2, 3, 4, 5, ...; hint: a model is a .safetensors, .gguf, .bin or .qnf file, or a TensorFlow checkpoint"
        ),
        (
            ["a.safetensors", "b.safetensors"],
            "FOLDER: holds 2 files ending in '.safetensors' (a.safetensors, b.safetensors); hint: name one of them"
        ),
        (
            ["a.qnf", "b.qnf", "c.qnf", "d.qnf"],
            "FOLDER: holds 4 files ending in '.qnf' (a.qnf, b.qnf, c.qnf, ...); hint: name one of them"
        ),
        (
            ["a.safetensors.index.json", "b.safetensors.index.json"],
            "FOLDER: holds 2 files ending in '.safetensors.index.json' (a.safetensors.index.json, b.safetensors.index.json); "
                + "hint: name one of them"
        ),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            "FOLDER: holds 2 files ending in '.safetensors' (model-00001-of-00002.safetensors, model-00002-of-00002.safetensors); "
                + "hint: these are shards; fetch the .safetensors.index.json that belongs to them"
        ),
        (
            ["adapter_config.json", "README.md"],
            "FOLDER: is an adapter, not a model; "
                + "hint: name its base model here; `AdapterListing` shows the adapter, `Merge` merges the two"
        ),
        (
            ["adapter_model.safetensors"],
            "FOLDER: is an adapter, not a model; "
                + "hint: name its base model here; `AdapterListing` shows the adapter, `Merge` merges the two"
        ),
        (["pytorch_model.bin"], "FOLDER/pytorch_model.bin: is empty; hint: the download failed; fetch the file again"),
        (["a.gguf", "b.gguf"], "FOLDER: holds 2 files ending in '.gguf' (a.gguf, b.gguf); hint: name one of them"),
        (
            ["m-00001-of-00002.gguf", "n-00001-of-00002.gguf"],
            "FOLDER: holds 2 files ending in '.gguf' (m-00001-of-00002.gguf, n-00001-of-00002.gguf); hint: name one of them"
        ),
        (["model.gguf"], "FOLDER/model.gguf: is empty; hint: the download failed; fetch the file again"),
        // What a training run leaves is no model.
        (
            ["optimizer.pt", "rng_state_0.pth", "training_args.bin"],
            "FOLDER: holds no model: it holds optimizer.pt, rng_state_0.pth, training_args.bin; "
                + "hint: a model is a .safetensors, .gguf, .bin or .qnf file, or a TensorFlow checkpoint"
        ),
        (
            ["consolidated.00.pth", "params.json"],
            "FOLDER/consolidated.00.pth: is empty; hint: the download failed; fetch the file again"
        ),
        (
            ["consolidated.00.pth", "tokenizer.model"],
            "FOLDER: holds a model in Meta's own layout ('consolidated.00.pth'), but no params.json, which says what the weights mean; "
                + "hint: fetch the params.json of the same model, or take its Hugging Face files (model*.safetensors)"
        ),
        (
            ["consolidated.00.pth", "consolidated.02.pth", "params.json"],
            "FOLDER: holds 'consolidated.02.pth' where 'consolidated.01.pth' is expected of 2 files of one model; "
                + "hint: fetch all files of the model, and nothing else, into the folder"
        ),
        (
            ["consolidated-00001-of-00003.safetensors", "consolidated-00002-of-00003.safetensors", "params.json"],
            "FOLDER: holds 'consolidated-00001-of-00003.safetensors' where 'consolidated-00001-of-00002.safetensors' is expected of 2 files "
                + "of one model; hint: fetch all files of the model, and nothing else, into the folder"
        ),
        // Mistral's own files beside those for transformers are left alone.
        (
            ["consolidated.safetensors.index.json", "model.safetensors.index.json"],
            "FOLDER/model.safetensors.index.json: is empty; hint: the download failed; fetch the file again"
        ),
    ]

    @Test(arguments: folders) func saysWhyAFolderIsNoModel(_ folder: (names: [String], refusal: String)) throws {
        let temporary = try TemporaryFolder()
        for name in folder.names { try temporary.write("", to: name) }
        #expect(Self.refusal(in: temporary) == folder.refusal)
    }

    @Test func foldersOfOtherFormatsAreNamedByWhatTheyHold() throws {
        let folder = try TemporaryFolder()
        try folder.write("{}", to: "config.json")
        try folder.write("PK\u{3}\u{4}", to: "pytorch_model.bin")
        #expect(
            Self.refusal(in: folder) == "FOLDER/pytorch_model.bin: begins like a zip archive, but has no directory at its end; "
                + "hint: the download is incomplete; fetch the file again")
    }

    /// One GGUF file in a folder, or the parts of one, beside what is no part of it.
    @Test func foldersOfOneGGUFOpen() throws {
        let folder = try TemporaryFolder()
        try folder.write("{\"model_type\": \"llama\"}", to: "config.json")
        try folder.copy(Fixture.path("gguf/container/v3.gguf"), as: "model.gguf")
        let one = try Checkpoint.open(folder.path)
        #expect(one.path == folder.path("model.gguf") && one.kind == .gguf && one.kind.title == "GGUF")
        #expect(one.tensors.map(\.name) == ["a.weight", "b.bias", "q.weight"] && one.files.isEmpty && one.config == nil)
        folder.remove("model.gguf")
        for number in 1...3 { try folder.copy(Fixture.path("gguf/container/split-0000\(number)-of-00003.gguf")) }
        let parts = try Checkpoint.open(folder.path)
        #expect(parts.path == folder.path("split-00001-of-00003.gguf") && parts.source.files.count == 3 && parts.tensors.count == 3)
        #expect(throws: Never.self) { try parts.requireReadableWeights() }
    }

    @Test func adapterFileIsNoModel() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.small.safetensors(), to: "adapter_model.safetensors")
        #expect(
            Self.refusal("adapter_model.safetensors", in: folder)
                == "FOLDER/adapter_model.safetensors: is an adapter, not a model; "
                + "hint: name its base model here; `AdapterListing` shows the adapter, `Merge` merges the two")
    }

    @Test func pointerInAFolderIsNamed() throws {
        let folder = try TemporaryFolder()
        try folder.write("version https://git-lfs.github.com/spec/v1\nsize 7\n", to: "model.safetensors")
        #expect(
            Self.refusal(in: folder) == "FOLDER/model.safetensors: is a Git LFS pointer, not the file itself (the real one has 7 bytes); "
                + "hint: run 'git lfs pull' in the repository, or download the file itself")
    }

    // MARK: - Configuration

    static let configs: [(text: String, refusal: String)] = [
        ("{\"a\": 1, }", "byte 9: a value is expected here, but there is '}'"),
        ("{\"a\": 1, \"a\": 2}", "byte 9: key 'a' stands here for the second time"),
        ("", "byte 0: the text ends where a value should be"),
    ]

    @Test(arguments: configs) func refusesABrokenConfig(_ config: (text: String, refusal: String)) throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.small.safetensors(), to: "model.safetensors")
        try folder.write(config.text, to: "config.json")
        #expect(
            Self.refusal(in: folder) == "FOLDER/config.json: \(config.refusal); "
                + "hint: fetch it again: it is cut, or a web page or a Git LFS pointer came in its place")
    }

    /// As Python's json writes the limits of time steps of Mamba and its kin.
    @Test func takesNumbersOfAConfigThatAreNotFinite() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.small.safetensors(), to: "model.safetensors")
        try folder.write("{\"model_type\": \"mamba2\", \"time_step_limit\": [0.0, Infinity]}", to: "config.json")
        #expect(try Checkpoint.open(folder.path).config?["time_step_limit"]?.array?.last?.double == .infinity)
    }

    @Test func refusesAnEndlessConfig() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.small.safetensors(), to: "model.safetensors")
        try folder.write("", to: "config.json")
        #expect(truncate(folder.path("config.json"), 1 << 24 | 1) == 0)
        #expect(Self.refusal(in: folder) == "FOLDER/config.json: has 16777217 bytes, but at most 16777216 are parsed")
        #expect(truncate(folder.path("config.json"), 1 << 28 | 1) == 0)
        #expect(Self.refusal(in: folder) == "FOLDER/config.json: has 268435457 bytes, but at most 268435456 are carried of such a file")
    }

    static let methods: [(config: String, warnings: [String])] = [
        ("{}", []), ("{\"quantization_config\": {}}", []),
        (
            "{\"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true}}",
            ["config.json has a quantization_config of bitsandbytes, but no tensor is 4-bit"]
        ),
    ]

    @Test(arguments: methods) func warnsOfOtherQuantization(_ method: (config: String, warnings: [String])) throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.small.safetensors(), to: "model.safetensors")
        try folder.write(method.config, to: "config.json")
        #expect(try Checkpoint.open(folder.path).warnings == method.warnings)
    }

    @Test func everyFileOfAModelIsAnInput() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.small.safetensors(), to: "model.safetensors")
        try folder.write("{}", to: "config.json")
        #expect(try Checkpoint.open(folder.path).inputFiles.map(\.name) == ["model.safetensors", "config.json"])
        let names = try Checkpoint.open(Fixture.checkpoint("llama/dense-f32")).inputFiles.map(\.name)
        #expect(names.count == 10 && names.contains("generation_config.json") && names.contains("model.safetensors.index.json"))
    }

    // MARK: - Kinds

    @Test(arguments: [
        ("llama/dense-f32", Checkpoint.Kind.huggingFace, 21), ("llama/dense-bf16", .huggingFace, 21), ("llama/nf4-bf16", .bitsandbytes, 21),
        ("gpt2/nf4-f32", .bitsandbytes, 28), ("llama/dense-f32/model.safetensors.index.json", .huggingFace, 21),
        ("gpt2/dense-f32/model.safetensors", .safetensors, 28), ("variants/storage-f32", .bitsandbytes, 12),
    ]) func kindsOfFixtures(_ name: String, _ kind: Checkpoint.Kind, _ tensorCount: Int) throws {
        let checkpoint = try Checkpoint.open(Fixture.checkpoint(name))
        #expect(checkpoint.kind == kind)
        #expect(checkpoint.tensors.count == tensorCount)
        #expect(checkpoint.warnings == [])
    }

    @Test func tensorFlowCheckpointsAreFoundByAnyOfTheirNames() throws {
        let folder = try Fixture.makeOpenAIFolder()
        for name in ["", "checkpoint", "model.ckpt", "model.ckpt.index"] {
            let checkpoint = try Checkpoint.open(name.isEmpty ? folder.path : folder.path(name))
            #expect(checkpoint.kind == .gpt2TensorFlow)
            #expect(checkpoint.tensors.count == 28)
        }
        folder.remove("hparams.json")
        let plain = try Checkpoint.open(folder.path)
        #expect(plain.kind == .tensorFlow && plain.files.isEmpty)
        #expect(plain.tensors.contains { $0.name == "model/h0/attn/c_attn/w" && $0.shape.dimensions == [1, 48, 144] })
    }
}
