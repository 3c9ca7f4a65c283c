import Adapters
import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qrun
@testable import qtrain

/// `qtrain` on mixtures of experts, from the command line to the adapter.
@Suite struct TrainMixtureTests {
    /// A mixture with a token for each character, and a text of 38 of them, with the end of the text 39.
    private static func model(_ name: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for file in ["config.json", "model.safetensors"] { try folder.copy(Fixture.mixture("\(name)/\(file)")) }
        let characters = (33...126).map { String(UnicodeScalar(UInt8($0))) }.filter { !["~", "^", "`"].contains($0) }
        let tokens = ["<pad>", "<s>", "</s>", "Ġ", "Ċ"] + characters
        var vocabulary = JSONObject()
        for (number, token) in tokens.enumerated() { vocabulary[token] = .integer(number) }
        let special = tokens[..<3].enumerated().map { number, token in
            JSONValue.object([
                "id": .integer(number), "content": .string(token), "single_word": .bool(false), "lstrip": .bool(false),
                "rstrip": .bool(false),
                "normalized": .bool(false), "special": .bool(true),
            ])
        }
        let bytes: JSONValue = .object(["type": .string("ByteLevel"), "add_prefix_space": .bool(false), "trim_offsets": .bool(true)])
        let document: JSONValue = .object([
            "version": .string("1.0"), "added_tokens": .array(special), "normalizer": .null, "pre_tokenizer": bytes,
            "post_processor": .null,
            "decoder": bytes, "model": .object(["type": .string("BPE"), "vocab": .object(vocabulary), "merges": .array([])]),
        ])
        try folder.write(document.text(.compact), to: "tokenizer.json")
        try folder.write("One, two, three, four; five six seven.", to: "text.txt")
        return folder
    }

    private static func run(_ folder: TemporaryFolder, _ output: String, _ options: [String], dropout: String? = "0") -> ToolRunner {
        ToolRunner(
            qtrain,
            [
                folder.path, "--data", folder.path("text.txt"), "-o", folder.path(output), "--log", folder.path(output + ".jsonl"),
                "--steps", "3",
                "--lr", "0.01", "--batch-size", "1", "--rank", "2", "--split", "1,0,0",
            ] + options + (dropout.map { ["--dropout", $0] } ?? []))
    }

    private static func steps(_ folder: TemporaryFolder, _ output: String) throws -> [JSONValue] {
        try Fixture.text(at: folder.path(output + ".jsonl")).split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
            .filter { $0["loss"] != nil }
    }

    /// The first step has transformers' losses: of the text, and of the routers for all tokens but the last, of which nothing is predicted.
    /// The others go by both: the more that of the routers weighs, the less of it is left.
    @Test(arguments: [("mixtral", (5.455309736, 2.020094633)), ("qwen3_moe", (5.579983163, 2.427526712))])
    func theLossOfRoutersIsTransformers(_ name: String, _ wanted: (text: Double, routers: Double)) throws {
        let folder = try Self.model(name)
        let with = Self.run(folder, "with.lora", ["--router-loss", "0.5"]), without = Self.run(folder, "without.lora", [])
        #expect(with.status == .done && without.status == .done, "\(with.errors) \(without.errors)")
        let first = try Self.steps(folder, "with.lora"), second = try Self.steps(folder, "without.lora")
        #expect(first.count == 3 && second.count == 3)
        for step in [first[0], second[0]] {
            #expect(abs(try #require(step["loss"]?.double) - wanted.text) < 1e-5 * wanted.text)
        }
        #expect(abs(try #require(first[0]["router_loss"]?.double) - wanted.routers) < 1e-5 * wanted.routers)
        #expect(second.allSatisfy { $0["router_loss"] == nil })
        #expect(first[0]["gradient_norm"]?.double != second[0]["gradient_norm"]?.double)
        #expect(first[2]["loss"]?.double != second[2]["loss"]?.double)
        let heavy = Self.run(folder, "heavy.lora", ["--router-loss", "50"])
        #expect(heavy.status == .done, "\(heavy.errors)")
        let last = try #require(Self.steps(folder, "heavy.lora").last?["router_loss"]?.double)
        #expect(last < (try #require(first[2]["router_loss"]?.double)) - 0.01)
    }

    @Test func aModelWithoutExpertsHasNoRouters() throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(
            qtrain, try TrainTests.line(folder, output: "x.lora", ["--steps", "1", "--router-loss", "1"]))
        #expect(run.status == .usage && run.errors.contains("--router-loss is for mixtures of experts, and "), "\(run.errors)")
    }

    /// Attention alone unless experts are asked for, whichever way they are stored.
    @Test(arguments: ["mixtral", "granitemoe", "gpt_oss", "llama4"]) func expertsAreTunedWhereTheyAreAskedFor(_ name: String) throws {
        let folder = try Self.model(name)
        let plain = Self.run(folder, "plain.lora", [])
        #expect(plain.status == .done, "\(plain.errors)")
        #expect(try Adapter.open(folder.path("plain.lora")).configuration.targetParameters.isEmpty)
        let targets = ["--targets", "q_proj,experts.gate_up_proj,experts.down_proj"]
        let run = Self.run(folder, "experts.lora", targets, dropout: nil)
        #expect(run.status == .done, "\(run.errors)")
        let adapter = try Adapter.open(folder.path("experts.lora"))
        #expect(adapter.configuration.targetParameters == ["experts.down_proj", "experts.gate_up_proj"])
        #expect(adapter.configuration.targetModules == ["q_proj"])
        #expect(adapter.configuration.document["lora_dropout"]?.double == 0)
        let steps = try Self.steps(folder, "experts.lora")
        #expect(try #require(steps[2]["loss"]?.double) < (try #require(steps[0]["loss"]?.double)))
        // It goes on from there, and the model writes with it.
        let more = Self.run(folder, "more.lora", targets + ["--init-from", folder.path("experts.lora")])
        #expect(more.status == .done, "\(more.errors)")
        #expect(try #require(Self.steps(folder, "more.lora")[0]["loss"]?.double) < (try #require(steps[2]["loss"]?.double)))
        let written = ToolRunner(
            qrun,
            [
                folder.path, "--adapter", folder.path("more.lora"), "--template", "none", "-p", "One, two", "--max-tokens", "4",
                "--temperature", "0",
            ])
        #expect(written.status == .done, "\(written.errors)")
    }

    @Test func nothingOfTheInputsOfExpertsIsDropped() throws {
        let folder = try Self.model("mixtral")
        let run = Self.run(folder, "x.lora", ["--targets", "experts.down_proj"], dropout: "0.1")
        #expect(run.status == .usage)
        #expect(
            run.errors.contains(
                "--targets 'experts.down_proj' tunes experts, and --dropout 0.1 takes elements of their inputs, which PEFT cannot"))
        let other = Self.run(folder, "x.lora", ["--targets", "experts.up_proj"])
        #expect(other.status == .usage)
        #expect(
            other.errors.contains(
                "hint: its layers are named like 'model.layers.0.self_attn.q_proj', its experts 'model.layers.0.mlp.experts.gate_up_proj'"))
    }
}
