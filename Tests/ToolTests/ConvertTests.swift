import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qmerge
@testable import qrun
@testable import qtrain
@testable import qverify

/// The main job on the samples, as a user types it.
@Suite struct ConvertTests {
    @Test("converts, verifies and checks a sample", arguments: ["gpt2-tensorflow", "llama-hf", "llama-bnb4"])
    func convertsSamples(name: String) throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        let conversion = ToolRunner(qconvert, ["to-nf4", Fixture.sample(name), "-o", model, "--quiet"])
        #expect(conversion.status == .done && conversion.errors.isEmpty)
        #expect(conversion.output.hasPrefix("\(model): "))
        let verification = ToolRunner(qverify, ["roundtrip", Fixture.sample(name), model, "--bit-exact", "--max-rel-rmse", "0.1"])
        #expect(verification.status == .done && verification.output.contains("\nOK: "))
        #expect(ToolRunner(qinspect, ["check", model]).status == .done)
        #expect(ToolRunner(qverify, ["integrity", model]).status == .done)
        #expect(try folder.names() == ["model.qnf"])
    }

    /// Into a .qnf and out of it, with dense merges and with tuned weights; they are found wherever they have come to.
    @Test func namedTemplatesTravel() throws {
        let folder = try TemporaryFolder()
        let name = "additional_chat_templates/tool_use.jinja"
        try folder.makeFolder("model")
        for file in try FilePath.entries(of: Fixture.sample("llama-hf")) {
            try folder.copy("\(Fixture.sample("llama-hf"))/\(file)", as: "model/\(file)")
        }
        try folder.makeFolder("model/additional_chat_templates")
        try folder.write("tools: {{ tools | tojson }}", to: "model/\(name)")
        try folder.write("no template", to: "model/additional_chat_templates/README.md")
        let model = folder.path("model"), packed = folder.path("a.qnf")
        let adapter = Fixture.sample("adapters/llama-instructions")
        let data = try folder.write(#"[{"prompt": "a", "completion": "b"}]"#, to: "data.json")
        let steps: [(Tool, [String], String)] = [
            (qconvert, ["to-nf4", model, "-o", packed], "a.qnf"),
            (qconvert, ["to-hf", packed, "-o", folder.path("again")], "again"),
            (qinspect, ["files", packed, "--extract", folder.path("files")], "files"),
            (qmerge, [packed, adapter, "-o", folder.path("merged.qnf")], "merged.qnf"),
            (qmerge, [model, adapter, "-o", folder.path("merged")], "merged"),
            (qmerge, ["--unmerge", folder.path("merged"), "-o", folder.path("base")], "base"),
            (qtrain, [model, "--data", data, "-o", folder.path("tuned"), "--full", "--steps", "1", "--split", "1,0,0"], "tuned"),
        ]
        for (tool, line, output) in steps {
            let run = ToolRunner(tool, line)
            #expect(run.status == .done, "\(line) \(run.errors)")
            guard !output.hasSuffix(".qnf") else { continue }
            #expect(try folder.names("\(output)/additional_chat_templates") == ["tool_use.jinja"])
            #expect(try folder.bytes("\(output)/\(name)") == folder.bytes("model/\(name)"))
        }
        let tools = try folder.write(#"[{"name": "f"}]"#, to: "tools.json")
        for model in ["a.qnf", "merged.qnf", "again", "tuned", "model"] {
            let run = ToolRunner(qrun, [folder.path(model), "--prompt", "x", "--print-prompt", "--tools", tools])
            #expect(run.output == #"tools: [{"name": "f"}]"#, "\(model) \(run.errors)")
        }
    }

    @Test func equalsTheTwinOfTransformersAndBitsandbytes() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", model]).status == .done)
        let run = ToolRunner(qverify, ["roundtrip", Fixture.sample("llama-bnb4"), model, "--bit-exact", "--json"])
        #expect(run.status == .done)
        let document = try run.document()
        #expect(document["ok"]?.bool == true && document["tensors"]?.array?.count == 39)
        #expect(document["tensors"]?.array?.allSatisfy { $0["bit_exact"]?.bool == true } == true)
    }

    @Test func exportsFoldersThatOpenAgain() throws {
        let folder = try TemporaryFolder()
        let (model, dense, packed) = (folder.path("model.qnf"), folder.path("dense"), folder.path("packed"))
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("gpt2-tensorflow"), "-o", model]).status == .done)
        #expect(ToolRunner(qconvert, ["to-hf", model, "-o", dense, "--dequantize", "--dtype", "bf16"]).status == .done)
        #expect(ToolRunner(qconvert, ["to-hf", model, "-o", packed, "--max-shard-size", "200k"]).status == .done)
        #expect(ToolRunner(qverify, ["roundtrip", packed, model, "--bit-exact"]).status == .done)
        let listing = ToolRunner(qinspect, ["layers", dense, "--diffable"])
        #expect(listing.output.hasPrefix("transformer.h.0.attn.c_attn.bias\t[384]\tBF16\n"))
        #expect(listing.output.contains("transformer.h.0.attn.c_attn.weight\t[128, 384]\tBF16\n"))
    }

    @Test func dryRunSaysTheExactSizeAndWritesNothing() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        let line = ["to-nf4", Fixture.sample("llama-hf"), "-o", model, "--json"]
        let stated = try #require(try ToolRunner(qconvert, line + ["--dry-run"]).document()["bytes"]?.integer)
        #expect(try folder.names().isEmpty)
        let written = try #require(try ToolRunner(qconvert, line).document()["bytes"]?.integer)
        // Each of the 28 quant states holds a decimal number that may turn out up to 6 characters shorter than planned for.
        #expect((0...28 * 8).contains(stated - written))
    }

    @Test func rulesAreTriedInTheirOrder() throws {
        let line = ["to-nf4", Fixture.sample("llama-hf"), "-o", "unused", "--dry-run", "--json"]
        func quantized(_ rules: [String]) throws -> [String] {
            let tensors = try ToolRunner(qconvert, line + rules).document()["tensors"]?.array ?? []
            return tensors.filter { $0["action"]?.string == "quantize" }.compactMap { $0["name"]?.string }
        }
        #expect(try quantized(["--keep", "."]) == [])
        #expect(try quantized(["--quantize", "lm_head", "--keep", "."]) == ["lm_head.weight"])
        #expect(try quantized(["--keep", ".", "--quantize", "lm_head"]) == [])
        #expect(try quantized(["--embeddings", "nf4", "--keep", "layers"]) == ["model.embed_tokens.weight"])
    }

    @Test(
        "refuses with one clear error",
        arguments: [
            (["to-nf4", "SAMPLES/nothing", "-o", "OUT/a.qnf"], ExitCode.failed, "qconvert: error: SAMPLES/nothing: does not exist\n"),
            (
                ["to-nf4", "SAMPLES/llama-hf", "-o", "OUT/folder/a.qnf"], .failed,
                "qconvert: error: OUT/folder/a.qnf: cannot be created: there is no folder OUT/folder\nhint: create the folder first\n"
            ),
            (
                ["to-nf4", "SAMPLES/README.md", "-o", "OUT/a.qnf"], .failed,
                "qconvert: error: SAMPLES/README.md: is no model file of a known kind\nhint: known are safetensors, GGUF, PyTorch, llm.c and "
                    + "llama2.c files, .qnf, Hugging Face folders and TensorFlow checkpoints\n"
            ),
            (
                ["to-hf", "SAMPLES/llama-bnb4", "-o", "OUT/a", "--dtype", "f32"], .usage,
                "qconvert: error: --dtype is for dense weights, but this model is 4-bit\nhint: add --dequantize\n"
            ),
            (
                ["to-nf4", "SAMPLES/llama-bnb4", "-o", "OUT/a.qnf", "--block-size", "128"], .failed,
                "qconvert: error: SAMPLES/llama-bnb4 is 4-bit already (nf4, blocks of 64, double quantization), but nf4, blocks of 128, "
                    + "double quantization is asked for\nhint: start from the dense model, or accept a second loss: 'qconvert to-hf --dequantize' first\n"
            ),
            (
                ["to-nf4", "SAMPLES/llama-hf", "-o", "OUT/a.qnf", "--keep", "("], .usage,
                "qconvert: error: --keep: '(' is no regular expression: expected ')'\n"
            ),
            (
                ["to-nf4", "SAMPLES/llama-hf", "-o", "OUT/a.qnf", "--max-memory", "1M"], .failed,
                "qconvert: error: --max-memory allows 1048576 bytes, but this needs at least 28439012\nhint: allow more; most of it is "
                    + "the header of the model, the constants of its largest tensor, and the program itself\n"
            ),
        ])
    func refuses(line: [String], status: ExitCode, errors: String) throws {
        let folder = try TemporaryFolder()
        func filled(_ text: String) -> String {
            text.split(separator: "SAMPLES", omittingEmptySubsequences: false).joined(separator: "\(Fixture.repository)/samples")
                .split(separator: "OUT", omittingEmptySubsequences: false).joined(separator: folder.path)
        }
        let run = ToolRunner(qconvert, line.map(filled))
        #expect(run.errors == filled(errors))
        #expect(try run.status == status && run.output.isEmpty && folder.names().isEmpty)
    }

    @Test func neverReplacesUnasked() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", model]).status == .done)
        let before = try InputFile(path: model).allBytes(limit: 1 << 24)
        let refused = ToolRunner(qconvert, ["to-nf4", Fixture.sample("gpt2-tensorflow"), "-o", model])
        #expect(refused.status == .failed)
        #expect(refused.errors == "qconvert: error: \(model): exists already\nhint: --force replaces it\n")
        let itself = ToolRunner(qconvert, ["to-nf4", model, "-o", model, "--force"])
        #expect(itself.errors == "qconvert: error: \(model): is also an input (\(model))\nhint: choose another output\n")
        #expect(try InputFile(path: model).allBytes(limit: 1 << 24) == before)
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("gpt2-tensorflow"), "-o", model, "--force"]).status == .done)
        #expect(try InputFile(path: model).allBytes(limit: 1 << 24) != before)
    }

    @Test func findsADamagedByte() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", model]).status == .done)
        try Fixture.damage(model)
        let run = ToolRunner(qinspect, ["check", model])
        #expect(run.status == .no)
        #expect(run.output.contains("DAMAGED, 1 problem in 185 tensors"))
        let export = ToolRunner(qconvert, ["to-hf", model, "-o", folder.path("copy")])
        #expect(export.status == .failed && export.errors.contains("its checksum is "))
        #expect(try folder.names() == ["model.qnf"])
    }
}
