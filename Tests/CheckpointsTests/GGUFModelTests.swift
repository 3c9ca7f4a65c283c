import Architectures
import ByteIO
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// A GGUF file is the Hugging Face model that it was converted from: names, shapes and values of every tensor, and its configuration.
@Suite struct GGUFModelTests {
    static let models = [
        "llama", "llama-bias", "llama-rope3", "llama-spm", "mistral", "mixtral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2", "phi3",
    ]

    private static func open(_ name: String) throws -> Checkpoint { try Checkpoint.open(Fixture.path("gguf/models/\(name)/model.gguf")) }

    @Test(arguments: models)
    func tensorsAreThoseOfTheModel(name: String) throws {
        let checkpoint = try Self.open(name)
        #expect(checkpoint.warnings == [])
        let expected = try Fixture.table("gguf/models/\(name)/tensors.tsv")
        #expect(Set(checkpoint.tensors.map(\.name)) == Set(expected.map { $0[0] }))
        for row in expected {
            let tensor = try #require(checkpoint.tensors.first { $0.name == row[0] })
            #expect(tensor.shape.dimensions.map(String.init).joined(separator: "x") == row[1])
            // Where the 1 of a norm was added in float32, up to 6e-8 are lost; the logits tell whether it was taken away.
            if name.hasPrefix("gemma"), row[0].hasSuffix("norm.weight") { continue }
            let (rows, columns) = tensor.orientation.sizes(of: tensor.shape.dimensions.count == 2 ? tensor.shape.dimensions : [1, 1])
            var values = try checkpoint.reader(of: tensor).allElements()
            if tensor.orientation == .inputsByOutputs {
                values = (0..<columns).flatMap { c in (0..<rows).map { values[$0 * columns + c] } }
            }
            var digest = SHA256()
            digest.append(values.withUnsafeBytes { Array($0) })
            #expect(digest.finish() == row[2], "\(row[0])")
        }
    }

    /// Any range of a tensor whose rows go back to their places is the same part of the whole.
    @Test func piecesAreThoseOfTheWhole() throws {
        let source = try Self.open("llama-bias").source
        for (index, info) in source.tensors.enumerated() where info.name.contains("q_proj") || info.name.contains("k_proj") {
            #expect(source.place(ofTensor: index) == nil)
            let whole = try source.bytes(ofTensor: index, 0..<info.byteCount)
            for (start, end) in [(0, 1), (1, info.byteCount), (95, 101), (info.byteCount - 3, info.byteCount)] {
                #expect(try source.bytes(ofTensor: index, start..<end) == Array(whole[start..<end]))
            }
        }
    }

    @Test(arguments: models)
    func configurationMeansTheSame(name: String) throws {
        let own = try #require(try Self.open(name).config?.object)
        let stated = try #require(try JSONValue(parsing: Fixture.bytes(Fixture.path("gguf/models/\(name)/config.json"))).object)
        // A file of llama.cpp does not tell a Mistral without a window from a Llama.
        let type = stated["model_type"]?.string
        #expect(own["model_type"]?.string == (type == "mistral" ? "llama" : type))
        for key in [
            "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "n_embd",
            "n_layer", "n_head", "n_positions", "max_position_embeddings", "tie_word_embeddings", "bos_token_id", "query_pre_attn_scalar",
            "sliding_window", "attn_logit_softcapping", "final_logit_softcapping", "attention_bias", "mlp_bias", "activation_function",
        ] {
            guard let value = stated[key], value != .null, let found = own[key] else { continue }
            #expect(found == value || found.double == value.double && found.double != nil, "\(key)")
        }
        #expect(own["rms_norm_eps"]?.double ?? own["layer_norm_epsilon"]?.double == stated["rms_norm_eps"]?.double ?? 1e-5)
        if let scaling = stated["rope_parameters"]?.object, scaling["rope_type"]?.string == "llama3" {
            for key in ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"] {
                #expect(own["rope_scaling"]?[key]?.double == scaling[key]?.double, "\(key)")
            }
        }
    }

    /// The file names one; the other is known by its text, as to every program that runs such files.
    @Test func generationStopsWhereOtherProgramsDo() throws {
        let file = try #require(try Self.open("llama").files.first { $0.name == "generation_config.json" })
        let generation = try JSONValue(parsing: file.bytes())
        #expect(generation["eos_token_id"]?.array?.map(\.integer) == [349, 351])
    }

    @Test func anythingElseKeepsItsNames() throws {
        let folder = try TemporaryFolder()
        var bytes = try Fixture.bytes(Fixture.path("gguf/models/mixtral/model.gguf"))
        // The value of `general.architecture`, the first string that is just this.
        let name = [5, 0, 0, 0, 0, 0, 0, 0] + Array("llama".utf8)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        bytes[place + 12] = UInt8(ascii: "o")
        let checkpoint = try Checkpoint.open(try folder.write(bytes, to: "model.gguf"))
        #expect(checkpoint.config == nil && checkpoint.tensors.contains { $0.name == "blk.0.ffn_gate_exps.weight" })
        #expect(checkpoint.warnings.count == 1 && checkpoint.warnings[0].contains("is of architecture 'llamo', which is not known"))
    }

    /// The matrices of all experts are one tensor there, and as many as the keys say.
    @Test func expertsAreAsManyAsTheKeysSay() throws {
        let folder = try TemporaryFolder()
        var bytes = try Fixture.bytes(Fixture.path("gguf/models/mixtral/model.gguf"))
        let key = Array("llama.expert_count".utf8) + [4, 0, 0, 0]
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: key) }) + key.count
        #expect(bytes[place] == 3)
        bytes[place] = 2
        let checkpoint = try Checkpoint.open(try folder.write(bytes, to: "model.gguf"))
        #expect(
            checkpoint.warnings[0].contains(
                "tensor 'blk.0.ffn_gate_exps.weight' has shape [3, 80, 48], but holds a matrix for each of 2 experts"))
    }

    @Test func blocksAreEncodedWeights() throws {
        let checkpoint = try Checkpoint.open(Fixture.path("gguf/models/wide/model-Q4_K_M.gguf"))
        let types = Set(checkpoint.tensors.map(\.typeName))
        #expect(types.isSuperset(of: ["F32", "Q4_K", "Q6_K"]))
        let query = try #require(checkpoint.tensors.first { $0.name == "model.layers.0.self_attn.q_proj.weight" })
        #expect(query.isEncoded && query.scalarType == .f32)
    }

    /// What a file states is no number to count on: it keeps its own names, with the key or the tensor in the warning.
    @Test(arguments: ["block_count", "factors"])
    func hostileNumbersAreNotFollowed(what: String) throws {
        let folder = try TemporaryFolder()
        var bytes = try Fixture.bytes(Fixture.path("gguf/models/llama-rope3/model.gguf"))
        let word: String
        if what == "block_count" {
            // u32 2 becomes u32 of the largest number that fits there.
            let key = Array("llama.block_count".utf8)
            let place = try #require((0..<bytes.count - key.count).first { Array(bytes[$0..<$0 + key.count]) == key }) + key.count + 4
            for offset in 0..<4 { bytes[place + offset] = 0xff }
            word = "num_hidden_layers"
        } else {
            // Heads of 16 become heads of 8, for which there are 8 factors.
            for name in ["llama.attention.key_length", "llama.attention.value_length", "llama.rope.dimension_count"] {
                let key = Array(name.utf8)
                let place = try #require((0..<bytes.count - key.count).first { Array(bytes[$0..<$0 + key.count]) == key }) + key.count + 4
                bytes[place] = 8
            }
            word = "rope_freqs.weight"
        }
        let checkpoint = try Checkpoint.open(try folder.write(bytes, to: "model.gguf"))
        #expect(
            checkpoint.config == nil && checkpoint.warnings.count == 1 && checkpoint.warnings[0].contains(word), "\(checkpoint.warnings)")
    }

    /// Whatever a number of any family is, the file is a model of it, or a warning says why not.
    @Test(arguments: Set(Architecture.all.compactMap(\.gguf?.name)).sorted())
    func hostileNumbersOfAllFamiliesAreRead(family: String) throws {
        let folder = try TemporaryFolder()
        for spelling in Architecture.all.compactMap(\.gguf) where spelling.name == family {
            let numbers = spelling.numbers.filter(\.isNumber)
            for (index, hostile) in numbers.enumerated() {
                let values: [(type: UInt32, bytes: [UInt8])]
                var image = GGUFImage()
                switch hostile.kind {
                case .count:
                    values = [Int64(0), -1, 3, 1 << 40, (1 << 53) - 1, .max, .min].map { (11, image.bytes(of: UInt64(bitPattern: $0))) }
                case .flag: values = [(7, [2])]
                default:
                    values = [Float(0), -1, .nan, .infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude].map {
                        (6, image.bytes(of: $0.bitPattern))
                    }
                }
                for value in values {
                    image = GGUFImage()
                    image.add("general.architecture", spelling.name)
                    for (other, number) in numbers.enumerated() where other != index {
                        let key = "\(spelling.name).\(number.key)"
                        switch number.kind {
                        case .count: image.add(key, type: 4, image.bytes(of: UInt32(4)))
                        case .flag: image.add(key, type: 7, [1])
                        default: image.add(key, type: 6, image.bytes(of: Float(0.5).bitPattern))
                        }
                    }
                    image.add("\(spelling.name).\(hostile.key)", type: value.type, value.bytes)
                    image.add(tensor: "token_embd.weight", [1, 1], type: 0, [0, 0, 0, 0])
                    let checkpoint = try Checkpoint.open(try folder.write(image.bytes, to: "model.gguf"))
                    #expect((checkpoint.config == nil) == checkpoint.warnings.contains { $0 != "the file has no tokenizer" })
                }
            }
        }
    }

    @Test func countsThatNoNumberHoldsAreNotFollowed() throws {
        let folder = try TemporaryFolder()
        var image = GGUFImage()
        image.add("general.architecture", "llama")
        image.add("llama.block_count", type: 10, image.bytes(of: UInt64(Int.max)))
        image.add(tensor: "token_embd.weight", [1, 1], type: 0, [0, 0, 0, 0])
        let checkpoint = try Checkpoint.open(try folder.write(image.bytes, to: "model.gguf"))
        #expect(checkpoint.warnings.count == 1 && checkpoint.warnings[0].contains("less than 2^53"), "\(checkpoint.warnings)")
    }
}
