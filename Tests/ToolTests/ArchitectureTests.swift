import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qinspect
@testable import qrun

/// What a model computes, in words and as JSON, and what running it takes.
@Suite struct ArchitectureTests {
    private static func families() throws -> [String] {
        [
            "families/phi3", "families/falcon-groups", "families/bloom", "families/opt-sums", "families/cohere2", "families/ministral3",
            "families/glm4", "families/granite", "families/olmo", "transformer/gpt2", "transformer/gemma3", "transformer/llama3",
            "mixtures/mixtral", "mixtures/qwen2_moe", "mixtures/granitemoehybrid", "mixtures/gpt_oss", "mixtures/llama4",
        ].map(Fixture.path)
    }

    @Test func everyFamilyFitsEightyColumns() throws {
        for path in try Self.families() {
            let run = ToolRunner(qinspect, ["architecture", path])
            #expect(run.status == .done && run.errors.isEmpty, "\(run.errors)")
            let lines: [Substring] = run.output.split(separator: "\n")
            #expect(lines.dropFirst().filter { $0.count > 80 } == [], "\(path)")
            let document = try ToolRunner(qinspect, ["architecture", path, "--json"]).document()
            let kinds = try #require(document["layer_kinds"]?.array)
            let numbers = kinds.flatMap { $0["layers"]?.array?.compactMap(\.integer) ?? [] }.sorted()
            #expect(numbers == Array(0..<(document["layers"]?.integer ?? -1)))
        }
    }

    @Test func tellsLlama4() throws {
        let path = Fixture.mixture("llama4"),
            lines = ToolRunner(qinspect, ["architecture", path]).output.split(separator: "\n").map(String.init)
        let text = lines.dropFirst().joined(separator: "\n") + "\n"
        #expect(text == Self.llama4, "\(text)")
        let document = try ToolRunner(qinspect, ["architecture", path, "--json"]).document()
        let layer = try #require(document["layer_kinds"]?.array?[1])
        #expect(layer["attention"]?["chunk"]?.integer == 6 && layer["attention"]?["head_norm"]?["weight"]?.bool == false)
        #expect(layer["feed_forward"]?["experts"]?["router"]?.string == "sigmoid_of_top_on_input")
        #expect(document["cache_bytes_per_token"]?.integer == 4 * 2 * 2 * 24)
    }

    private static let llama4 = """
        model
          class          Llama4ForCausalLM
          layers         4
          width          32
          vocabulary     96
          context        64
          embedding      as it is
          last norm      RMS, epsilon 1e-05
          head           a matrix of its own
          parameters     53,536, 39,712 for a token
          keys, values   384 bytes a token in F16
                         7.87 kB at a context of 64
        layers 0, 2 (2 of 4)
          norms          RMS, epsilon 1e-05, before branches
          branches       one after the other
          heads          4 of 12, 2 of keys and values
          norm of heads  RMS, epsilon 1e-05, no weight, each head
          rotation       base 10,000, neighbours
          sees           its chunk of 6 positions
          scores         times 0.288675
          MLP            gated, silu, 28 inside
        layer 1 (1 of 4)
          norms          RMS, epsilon 1e-05, before branches
          branches       one after the other
          heads          4 of 12, 2 of keys and values
          norm of heads  RMS, epsilon 1e-05, no weight, each head
          rotation       base 10,000, neighbours
          sees           its chunk of 6 positions
          scores         times 0.288675
          experts        4, 1 for a token, 24 inside
          expert         gated, silu
          router         sigmoid, of what the expert is given
          shared expert  24 inside
          stored         all of a layer in one tensor
        layer 3 (1 of 4)
          norms          RMS, epsilon 1e-05, before branches
          branches       one after the other
          heads          4 of 12, 2 of keys and values
          rotation       none
          sees           all positions
          scores         times 0.288675
          queries        times 1 + 0.3 ln(1 + floor((p + 1) / 4))
          experts        4, 1 for a token, 24 inside
          expert         gated, silu
          router         sigmoid, of what the expert is given
          shared expert  24 inside
          stored         all of a layer in one tensor

        """

    @Test func saysWhyAModelCannotBeRun() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.transformer("llama3/model.safetensors"))
        try folder.write(#"{"model_type": "deepseek_v3"}"#, to: "config.json")
        let run = ToolRunner(qinspect, ["architecture", folder.path])
        #expect(run.status == .failed && run.errors.contains("model_type 'deepseek_v3' cannot be run; these can: gpt2"))
    }

    @Test(arguments: ["f16", "f32", "q8"])
    func estimatesWhatARunReserves(type: String) throws {
        let path = Fixture.sample("llama-bnb4")
        let estimate = try ToolRunner(qrun, [path, "--estimate", "--context", "40", "--cache", type, "--json"]).document()
        #expect(estimate["context"]?.integer == 40 && estimate["cache"]?["type"]?.string == type)
        let run = try ToolRunner(
            qrun, [path, "--prompt-ids", "1,5,9", "--max-tokens", "37", "--context", "40", "--cache", type, "--json"]
        ).document()
        #expect(run["cache"]?["positions"]?.integer == 40)
        #expect(run["cache"]?["bytes"] == estimate["cache"]?["bytes"] && run["cache"]?["type"]?.string == type)
        let parts = ["active_weights", "work"].compactMap { estimate[$0]?.integer } + [estimate["cache"]?["bytes"]?.integer ?? 0]
        #expect(estimate["total"]?.integer == parts.reduce(0, +))
    }

    @Test func estimatesInWords() {
        let run = ToolRunner(qrun, [Fixture.transformer("gemma3"), "--estimate", "--context", "600", "--exact"])
        #expect(run.status == .done && run.errors.isEmpty, "\(run.errors)")
        #expect(run.output.contains("gemma3_text, a context of 600\n") && run.output.contains("keys and values in F32"))
        #expect(run.output.contains("positions: what they see, and a pass") && run.output.contains("600 positions: the whole context"))
        let lines: [Substring] = run.output.split(separator: "\n")
        #expect(lines.dropFirst().filter { $0.count > 80 } == [], "\(run.output)")
        let refused = ToolRunner(qrun, [Fixture.transformer("gemma3"), "--estimate", "--adapter", "x.lora"])
        #expect(refused.status == .usage && refused.errors.contains("--estimate is of the model alone"))
    }
}
