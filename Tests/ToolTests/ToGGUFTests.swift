import ByteIO
import CommandLineKit
import GGUFFormat
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import qconvert

/// GGUF files as llama.cpp's converter and llama-quantize write them, bit for bit.
@Suite struct ToGGUFTests {
    private static let types = [
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS", "F16", "BF16",
    ]

    @Test(arguments: types) func blocksAreThoseOfLlamaQuantize(type: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("wide.gguf")
        let run = ToolRunner(qconvert, ["to-gguf", Fixture.path("gguf/models/wide/hf"), "-o", path, "--type", type.lowercased(), "-q"])
        #expect(run.status == .done && run.errors.isEmpty, "\(run.errors)")
        let file = try GGUFSource(path: path)
        let expected = try Fixture.table("gguf/models/wide/blocks.tsv").filter { $0[0] == type }
        #expect(expected.count == file.tensors.count && !expected.isEmpty)
        for row in expected {
            let index = try #require(file.tensors.firstIndex { $0.name == row[1] })
            #expect(file.info(ofTensor: index).type.name == row[2])
            var digest = SHA256()
            digest.append(try file.bytes(ofTensor: index, 0..<file.tensors[index].byteCount))
            #expect(digest.finish() == row[3], "\(row[1])")
        }
    }

    /// One row more, so that blocks are an odd number: what is made of the others stays as it is.
    @Test(arguments: types) func tablesMayHaveAnOddNumberOfBlocks(type: String) throws {
        let folder = try TemporaryFolder(), name = "model.embed_tokens.weight"
        func embedding(rowCount: Int) throws -> (bytes: [UInt8], rowByteCount: Int) {
            let model = try folder.makeFolder("\(rowCount)"), wide = Fixture.path("gguf/models/wide/hf")
            for file in ["tokenizer.json", "tokenizer_config.json"] {
                try folder.write(try Fixture.bytes("\(wide)/\(file)"), to: "\(rowCount)/\(file)")
            }
            let config = try String(decoding: Fixture.bytes("\(wide)/config.json"), as: UTF8.self)
            try folder.write(config.replacing("\"vocab_size\": 352", with: "\"vocab_size\": \(rowCount)"), to: "\(rowCount)/config.json")
            var tensors = try SafetensorsFile(path: "\(wide)/model.safetensors").storedTensors()
            let index = try #require(tensors.firstIndex { $0.name == name })
            let row = tensors[index].bytes.prefix(2 * 256)
            while tensors[index].dimensions[0] < rowCount {
                tensors[index].dimensions[0] += 1
                tensors[index].bytes += row
            }
            try folder.write(tensors.safetensors(), to: "\(rowCount)/model.safetensors")
            let path = folder.path("\(rowCount).gguf")
            let run = ToolRunner(qconvert, ["to-gguf", model, "-o", path, "--type", type.lowercased(), "-q"])
            #expect(run.status == .done, "\(run.errors)")
            let file = try GGUFSource(path: path), place = try #require(file.tensors.firstIndex { $0.name == "token_embd.weight" })
            let bytes = try file.bytes(ofTensor: place, 0..<file.tensors[place].byteCount)
            return (bytes, bytes.count / rowCount)
        }
        let (even, rowByteCount) = try embedding(rowCount: 352), odd = try embedding(rowCount: 353).bytes
        #expect(odd.count == even.count + rowByteCount && odd.starts(with: even) && odd.suffix(rowByteCount) == even.prefix(rowByteCount))
    }

    /// An importance matrix of the older form, for the matrices of the layers of `wide`: every number is a multiple of 1/16 of a congruence.
    private static func importance(_ names: [String]) -> [UInt8] {
        func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        var bytes = number(UInt32(names.count))
        for name in names {
            bytes += number(UInt32(name.utf8.count))
            bytes += Array(name.utf8)
            bytes += number(1)
            bytes += number(256)
            var state = name.utf8.reduce(UInt32(0)) { $0 + UInt32($1) }
            for _ in 0..<256 {
                state = state &* 1_664_525 &+ 1_013_904_223
                bytes += number((Float(1 + (state >> 24)) / 16).bitPattern)
            }
        }
        return bytes
    }

    private static let matrices = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"].map {
        "blk.0.\($0).weight"
    }

    @Test(arguments: types.filter { !["F16", "BF16", "Q8_0"].contains($0) })
    func blocksAreThoseOfLlamaQuantizeWithAnImportanceMatrix(type: String) throws {
        let folder = try TemporaryFolder(), path = folder.path("wide.gguf")
        let file = try folder.write(Self.importance(Self.matrices), to: "wide.dat")
        let line = ["to-gguf", Fixture.path("gguf/models/wide/hf"), "-o", path, "--type", type.lowercased(), "--imatrix", file, "-q"]
        let run = ToolRunner(qconvert, line)
        #expect(run.status == .done && run.errors.isEmpty, "\(run.errors)")
        let source = try GGUFSource(path: path)
        let expected = try Fixture.table("gguf/models/wide/blocks-imatrix.tsv").filter { $0[0] == type }
        #expect(expected.count == source.tensors.count && !expected.isEmpty)
        for row in expected {
            let index = try #require(source.tensors.firstIndex { $0.name == row[1] })
            #expect(source.info(ofTensor: index).type.name == row[2])
            var digest = SHA256()
            digest.append(try source.bytes(ofTensor: index, 0..<source.tensors[index].byteCount))
            #expect(digest.finish() == row[3], "\(row[1])")
        }
        #expect(try source.metadata.string("quantize.imatrix.file") == "wide.dat")
        #expect(try source.metadata.integer("quantize.imatrix.entries_count") == 7)
    }

    @Test func importanceOfOtherModelsIsRefused() throws {
        let folder = try TemporaryFolder(), wide = Fixture.path("gguf/models/wide/hf")
        let part = try folder.write(Self.importance([Self.matrices[1]]), to: "part.dat")
        let other = try folder.write(Self.importance(["blk.7.attn_q.weight"]), to: "other.dat")
        let line = ["to-gguf", wide, "-o", folder.path("a.gguf"), "--imatrix"]
        let some = ToolRunner(qconvert, line + [part, "--type", "q4_k"])
        #expect(some.status == .done && some.errors.contains("says nothing of 6 weights like 'blk.0.attn_output.weight'"), "\(some.errors)")
        for (file, type, message) in [
            (other, "q4_k", "says nothing of the weights of"), (part, "q8_0", "--imatrix is of no use for Q8_0"),
            (part, "bf16", "--imatrix is of no use for BF16"),
        ] {
            let run = ToolRunner(qconvert, line + [file, "--type", type, "--force"])
            #expect(run.status == .failed && run.errors.contains(message), "\(run.errors)")
        }
        let narrow = ToolRunner(
            qconvert, ["to-gguf", Fixture.sample("llama-hf"), "-o", folder.path("b.gguf"), "--type", "q4_0", "--imatrix", part])
        #expect(narrow.status == .failed && narrow.errors.contains("has 256 values, but"), "\(narrow.errors)")
        #expect(try !folder.names().contains("b.gguf"))
    }

    /// What the converter wrote is read as a Hugging Face model and written again: the same tensors, and keys that say the same. Keys
    /// that only confirm what readers take for granted may come in addition; scores of pieces are made of the order of merges.
    @Test(arguments: [
        ("llama", "f32"), ("llama-rope3", "bf16"), ("llama-bias", "f16"), ("llama-spm", "f32"), ("mistral", "bf16"), ("qwen2", "f32"),
        ("qwen3", "bf16"), ("gpt2", "f32"),
    ])
    func filesOfTheConverterComeBack(name: String, type: String) throws {
        let folder = try TemporaryFolder()
        let source = Fixture.path("gguf/models/\(name)/model.gguf"), path = folder.path("again.gguf")
        let run = ToolRunner(qconvert, ["to-gguf", source, "-o", path, "--type", type, "-q"])
        #expect(run.status == .done, "\(run.errors)")
        let (own, stated) = (try GGUFSource(path: path), try GGUFSource(path: source))
        #expect(own.tensors == stated.tensors)
        for index in own.tensors.indices {
            let range = 0..<own.tensors[index].byteCount
            #expect(try own.bytes(ofTensor: index, range) == stated.bytes(ofTensor: index, range))
        }
        for entry in stated.metadata.entries where entry.key != "tokenizer.ggml.scores" {
            let value = try #require(own.metadata[entry.key], "\(entry.key)")
            if case .array(let array) = value, case .array(let other) = entry.value {
                #expect(try array.values() == other.values(), "\(entry.key)")
            } else {
                #expect(value == entry.value, "\(entry.key)")
            }
        }
    }

    @Test func longModelsBecomeParts() throws {
        let folder = try TemporaryFolder()
        let source = Fixture.path("gguf/models/wide/hf")
        for (name, more) in [("one.gguf", []), ("parts", ["--max-shard-size", "300k"])] as [(String, [String])] {
            let run = ToolRunner(qconvert, ["to-gguf", source, "-o", folder.path(name), "--type", "q8_0", "-q"] + more)
            #expect(run.status == .done, "\(run.errors)")
        }
        let names = try FilePath.entries(of: folder.path("parts"))
        #expect(names.count > 1 && names.allSatisfy { $0.hasPrefix("parts-0000") && $0.hasSuffix(".gguf") })
        let one = try GGUFSource(path: folder.path("one.gguf"))
        let parts = try GGUFSource(path: FilePath.join(folder.path("parts"), names[0]))
        #expect(one.tensors == parts.tensors)
        for index in one.tensors.indices {
            let range = 0..<one.tensors[index].byteCount
            #expect(try one.bytes(ofTensor: index, range) == parts.bytes(ofTensor: index, range))
        }
    }

    @Test func whatCannotBeWrittenIsRefused() throws {
        let folder = try TemporaryFolder()
        let types = ToolRunner(qconvert, ["to-gguf", Fixture.path("gguf/types.gguf"), "-o", folder.path("a.gguf")])
        #expect(types.status == .failed && types.errors.contains("has no config.json"))
        let mixture = ToolRunner(qconvert, ["to-gguf", Fixture.family("gptj"), "-o", folder.path("a.gguf")])
        #expect(mixture.status == .failed && mixture.errors.contains("is a gptj, for which there are no GGUF files"))
        #expect(try folder.names().isEmpty)
    }

    /// A scale that is damaged makes a whole block infinite: such blocks leave only where that is asked for.
    @Test func blocksThatAreNotFiniteAreRefused() throws {
        let folder = try TemporaryFolder()
        let line = ["to-safetensors", Fixture.path("gguf/types-edge.gguf"), "-o", folder.path("a.safetensors"), "--dtype", "f32", "-q"]
        let refused = ToolRunner(qconvert, line)
        #expect(refused.status == .failed && refused.errors.contains("tensor 'mxfp4': element 64 of MXFP4 is not a finite number"))
        #expect(try refused.errors.contains("--allow-nonfinite writes them") && folder.names().isEmpty)
        #expect(ToolRunner(qconvert, line + ["--allow-nonfinite"]).status == .done)
    }

    @Test func aDryRunTellsTypes() throws {
        let run = ToolRunner(qconvert, ["to-gguf", Fixture.path("gguf/models/wide/hf"), "-o", "x.gguf", "--type", "q4_k_m", "-n"])
        #expect(run.status == .done && run.output.contains("blk.0.attn_v.weight") && run.output.contains("Q6_K"))
    }
}
