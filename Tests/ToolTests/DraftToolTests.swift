import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qrun

/// `--lookup` and `--draft`: the same text in fewer passes.
@Suite struct DraftToolTests {
    private static let llama = Fixture.sample("llama-bnb4")
    /// Another architecture with the same tokenizer.
    private static let draft = Fixture.sample("gpt2-tensorflow")
    private static let prompt = "apple pear apple pear apple pear"

    private static func run(_ options: [String]) -> ToolRunner {
        ToolRunner(qrun, [llama, "--prompt", prompt, "--template", "none", "--max-tokens", "40"] + options)
    }

    @Test(arguments: [["--temperature", "0"], ["--seed", "4"], ["--precision", "fast"], ["--exact", "--cache", "q8"]])
    func theTextIsTheSame(options: [String]) throws {
        let plain = Self.run(options)
        #expect(plain.status == .done && !plain.errors.contains("guesses"))
        for draft in [["--lookup"], ["--draft", Self.draft]] {
            let run = Self.run(options + draft)
            #expect(run.status == .done && run.output == plain.output)
            // What is drawn need not repeat itself: a lookup may have nothing to guess.
            let mayBeNone = draft.count == 1 && options != ["--temperature", "0"]
            #expect(mayBeNone || run.errors.contains(" guesses right"), "\(run.errors)")
            let document = try #require(try Self.run(options + draft + ["--json"]).document()["draft"]?.object)
            let guessed = try #require(document["guessed"]?.integer), right = try #require(document["right"]?.integer)
            #expect((mayBeNone || guessed > 0) && right <= guessed)
            #expect(document["kind"]?.string == (draft.count == 1 ? "lookup" : "model"))
            #expect(document["model"]?.string == (draft.count == 1 ? nil : Self.draft))
        }
        #expect(try Self.run(options + ["--json"]).document()["draft"] == .null)
    }

    @Test func refusesWhatCannotGuess() throws {
        let both = Self.run(["--lookup", "--draft", Self.draft])
        #expect(both.status == .usage && both.errors.contains("error: --lookup and --draft exclude each other"))
        let other = try Fixture.copyOfLlama(replacing: "\"<|endoftext|>\"", with: "\"<|page|>\"", in: "tokenizer.json")
        try Fixture.replace("<|endoftext|>", with: "<|page|>", in: other.path("tokenizer_config.json"))
        let run = Self.run(["--draft", other.path])
        #expect(run.status == .failed && run.output.isEmpty)
        #expect(
            run.errors.contains(
                "qrun: error: \(other.path): token 1279 is '<|page|>', but '<|endoftext|>' in \(Self.llama)\n"
                    + "hint: a draft is a smaller model with the same tokenizer"), "\(run.errors)")
        // Without text there is nothing to compare but sizes.
        let model = Fixture.transformer("llama3"), draft = Fixture.transformer("gpt2")
        let ids = ToolRunner(qrun, [model, "--prompt-ids", "1,5", "--draft", draft])
        #expect(ids.status == .failed)
        #expect(ids.errors.contains("\(draft): the embedding has 101 rows, but that of \(model) has 96\n"), "\(ids.errors)")
        let same = ToolRunner(qrun, [model, "--prompt-ids", "1,5", "--max-tokens", "9", "--draft", Fixture.transformer("qwen3")])
        #expect(same.status == .done && same.errors.contains(" guesses right"))
        #expect(Self.run(["--draft", "nowhere"]).errors.contains("nowhere: does not exist"))
    }
}
