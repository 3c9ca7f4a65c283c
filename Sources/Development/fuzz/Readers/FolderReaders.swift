import ByteIO
import Checkpoints
import JSONText
import TensorCore

@testable import TensorFlowFormat

extension Reader {
    /// A folder of two shards: index, NUL, header of the first, NUL, header of the second.
    static let shards = Reader(
        "shards",
        words: headerWords + [
            "\"weight_map\":", "\"a.safetensors\"", "\"metadata\":{\"total_size\":32}", "\"../a.safetensors\"", "a.safetensors",
            "b.safetensors",
        ],
        mutation: .texts(prefixByteCount: 0),
        seeds: { samples in
            let index = """
                {"metadata":{"total_size":36},"weight_map":{"a":"a.safetensors","b":"a.safetensors","c":"a.safetensors","d":"b.safetensors"}}
                """
            let second = "{\"d\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}"
            return [Array(index.utf8) + [0] + Array(twoTensors.utf8) + [0] + Array(second.utf8)]
                + samples.file("samples/llama-hf/model.safetensors.index.json").map { $0 + [0] }
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            shardFolder.write(input.text(), to: "model.safetensors.index.json")
            shardFolder.write(SafetensorsImage(json: input.text()).bytes, to: "a.safetensors")
            shardFolder.write(SafetensorsImage(json: input.text()).bytes, to: "b.safetensors")
            do throws(FileError) {
                let source = try Checkpoint.open(shardFolder.path).source
                for index in source.tensors.indices { try source.readAll(index) }
                require(Set(source.tensors.map { ByteKey($0.name) }).count == source.tensors.count, "names are different")
                for file in source.files {
                    require(FilePath.folder(of: file.path) == shardFolder.path, "\(file.path): a shard lies beside its index")
                }
            } catch {
                tell(error)
            }
        })

    private static let shardFolder = Folder.temporary()

    /// hparams.json, NUL, encoder.json, beside the bundle of a GPT-2 with one layer.
    static let gpt2 = Reader(
        "gpt2", words: ["\"n_vocab\":5", "\"n_ctx\":3", "\"n_embd\":2", "\"n_head\":1", "\"n_layer\":1", "65536", "16777216"],
        mutation: .texts(prefixByteCount: 0),
        seeds: { samples in
            [Array("{\"n_vocab\":5,\"n_ctx\":3,\"n_embd\":2,\"n_head\":1,\"n_layer\":1}".utf8) + [0, 0x7b, 0x7d]]
                + samples.file("samples/gpt2-tensorflow/hparams.json")
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            gpt2Folder.write(input.text(), to: "hparams.json")
            gpt2Folder.write(input.rest(), to: "encoder.json")
            readModel(gpt2Folder.path)
        })

    private static let gpt2Folder: Folder = {
        let shapes: [(String, [Int])] = [
            ("wte", [5, 2]), ("wpe", [3, 2]), ("ln_f/b", [2]), ("ln_f/g", [2]), ("h0/ln_1/b", [2]), ("h0/ln_1/g", [2]), ("h0/ln_2/b", [2]),
            ("h0/ln_2/g", [2]), ("h0/attn/c_attn/w", [1, 2, 6]), ("h0/attn/c_attn/b", [6]), ("h0/attn/c_proj/w", [1, 2, 2]),
            ("h0/attn/c_proj/b", [2]), ("h0/mlp/c_fc/w", [1, 2, 8]), ("h0/mlp/c_fc/b", [8]), ("h0/mlp/c_proj/w", [1, 8, 2]),
            ("h0/mlp/c_proj/b", [2]),
        ]
        var input: [UInt8] = [0, 0]
        for (name, shape) in shapes {
            let key = Array("model/\(name)".utf8)
            input += [4, UInt8(key.count)] + key + [1, UInt8(shape.count)] + shape.map { UInt8($0) }
        }
        let bundle = FuzzedBundle(input)
        let folder = Folder.temporary()
        folder.write(bundle.index, to: "model.ckpt.index")
        folder.write(bundle.data, to: "model.ckpt.data-00000-of-00001")
        folder.write(Array("#version: 0.2".utf8), to: "vocab.bpe")
        return folder
    }()

    /// Any file at all: a byte that chooses the name, then the file.
    static let anyFile = Reader(
        "any-file",
        words: [
            "version https://git-lfs.github.com/spec/v1", "size 12", "<!doctype html", "GGUF", "PK\u{3}\u{4}",
            "model_checkpoint_path: \"m\"",
        ],
        seeds: { samples in
            let files =
                samples.file("samples/llama-hf/config.json") + samples.file("samples/gpt2-tensorflow/checkpoint")
                + samples.file("samples/gpt2-tensorflow/model.ckpt.index") + [SafetensorsImage(json: Array(twoTensors.utf8)).bytes]
                + SyntheticModel.files.prefix(1)
            return names.indices.flatMap { name in files.map { [UInt8(name)] + $0 } }
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let name = names[Int(input.byte()) % names.count]
            anyFolder.write(input.rest(), to: name)
            defer { anyFolder.remove(name) }
            readModel(anyFolder.path(name))
            readModel(anyFolder.path)
        })

    private static let names = [
        "model.safetensors", "m.qnf", "m.index", "checkpoint", "x.safetensors.index.json", "m.data-00000-of-00001", "x",
    ]
    private static let anyFolder = Folder.temporary()
}
