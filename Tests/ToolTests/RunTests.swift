import ByteIO
import CommandLineKit
import Glibc
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import qconvert
@testable import qrun
@testable import qverify

@Suite struct RunTests {
    private static let llama = Fixture.sample("llama-hf")
    private static let adapter = Fixture.sample("adapters/llama-instructions")

    private static func run(_ line: String...) -> ToolRunner { ToolRunner(qrun, line) }

    private static func run(_ line: [String]) -> ToolRunner { ToolRunner(qrun, line) }

    /// Dense weights and 4-bit ones, in each precision.
    @Test(arguments: ["llama-hf", "llama-bnb4"], [[], ["--exact"], ["--precision", "fast"]])
    func theSameTextForAnyNumberOfThreads(name: String, options: [String]) {
        let line = [Fixture.sample(name), "--prompt", "Once", "--max-tokens", "12"] + options
        let runs = ["1", "2", "3"].map { ToolRunner(qrun, line + ["--threads", $0]) }
        #expect(Set(runs.map(\.output)).count == 1)
        #expect(runs[0].status == .done && runs[0].output.utf8.count > 10)
        #expect(runs[0].errors.contains("12 written in"))
        let other = ToolRunner(qrun, line + ["--seed", "7"])
        #expect(other.output != runs[0].output)
    }

    @Test func jsonHoldsTokensAndTheirProbabilities() throws {
        let document = try Self.run(
            Self.llama, "--prompt", "Once", "--max-tokens", "5", "--temperature", "0", "--exact", "--json"
        ).document()
        #expect(document["schema"]?.integer == 1 && document["exact"]?.bool == true)
        let tokens = try #require(document["tokens"]?.array)
        #expect(tokens.count == 5 && document["end"]?.string == "token limit")
        #expect(tokens.compactMap { $0["text"]?.string }.joined() == document["text"]?.string)
        #expect(tokens.allSatisfy { ($0["log_probability"]?.double).map { $0 <= 0 && $0 > -5 } ?? false })
    }

    /// The 8-bit head and integer products choose the same words here; they need not everywhere.
    @Test func exactAndFastAgreeOnASample() {
        let fast = Self.run(Fixture.sample("llama-bnb4"), "--prompt", "Once", "--max-tokens", "20", "--temperature", "0")
        let exact = Self.run(Fixture.sample("llama-bnb4"), "--prompt", "Once", "--max-tokens", "20", "--temperature", "0", "--exact")
        #expect(fast.status == .done && fast.output == exact.output)
    }

    @Test func precisionsAreNamed() throws {
        let line = [Fixture.sample("llama-bnb4"), "--prompt", "Once", "--max-tokens", "4", "--temperature", "0"]
        for precision in ["exact", "balanced", "fast"] {
            let document = try Self.run(line + ["--precision", precision, "--json"]).document()
            #expect(document["precision"]?.string == precision && document["exact"]?.bool == (precision == "exact"))
            #expect(Self.run(line + ["--precision", precision]).errors.contains(", \(precision) precision"))
        }
        #expect(try Self.run(line + ["--exact", "--precision", "exact", "--json"]).document()["precision"]?.string == "exact")
        let refused = Self.run(line + ["--exact", "--precision", "fast"])
        #expect(refused.status == .usage && refused.errors.contains("--exact and --precision fast exclude each other"))
    }

    @Test func dumpsLogitsOfThePrompt() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("logits.safetensors")
        let run = Self.run(Self.llama, "--prompt-ids", "1,5,9", "--dump-logits", path, "--exact")
        #expect(run.status == .done && run.errors.isEmpty)
        let tensor = try #require(try SafetensorsFile(path: path).tensors.first)
        #expect(tensor.name == "logits" && tensor.shape.dimensions[0] == 3)
        #expect(run.output == "\(path): logits \(tensor.shape.dimensions) of F32\n")
        #expect(Self.run(Self.llama, "--prompt-ids", "1", "--dump-logits", path).status == .failed)
    }

    /// The file may have line breaks; the ids are those of the list.
    @Test func readsIdsFromAFile() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("ids.txt")
        try Fixture.store("1, 5\n9\n", in: path)
        let options = ["--max-tokens", "3", "--temperature", "0"]
        let run = Self.run([Self.llama, "--prompt-ids", "@" + path] + options)
        #expect(run.status == .done && run.output == Self.run([Self.llama, "--prompt-ids", "1,5,9"] + options).output)
        try Fixture.store("1 x\u{301}", in: path)
        #expect(Self.run(Self.llama, "--prompt-ids", "@" + path).errors.contains("ids.txt: holds 'x\u{301}', which is no token id"))
        #expect(Self.run(Self.llama, "--prompt-ids", "@" + folder.path("none")).status == .failed)
    }

    /// Ids go in and come out: a tokenizer that cannot be read is a warning at most.
    @Test func needsNoTokenizerForIds() throws {
        let folder = try Fixture.copyOfLlama(replacing: "\"model\"", with: "\"modle\"", in: "tokenizer.json")
        let logits = Self.run(folder.path, "--prompt-ids", "1,5", "--dump-logits", folder.path("logits.safetensors"))
        #expect(logits.status == .done && logits.errors.isEmpty)
        let run = Self.run(folder.path, "--prompt-ids", "1,5", "--max-tokens", "2", "--temperature", "0")
        #expect(run.status == .done && run.output.split(separator: " ").count == 2)
        #expect(run.errors.contains("tokenizer.json: has no 'model'") && run.errors.contains("no text is shown"))
        #expect(Self.run(folder.path, "--prompt", "a").status == .failed)
    }

    /// A token that was added to a tokenizer without resizing the model harms no text without it.
    @Test func refusesTokensBeyondTheEmbeddingWhereTheyAreMet() throws {
        let pad = #""added_tokens": [{"id":1280,"content":"[PAD]","special":true},"#
        let folder = try Fixture.copyOfLlama(replacing: "\"added_tokens\": [", with: pad, in: "tokenizer.json")
        let options = ["--max-tokens", "1", "--temperature", "0", "--template", "none"]
        #expect(Self.run([folder.path, "--prompt", "a"] + options).status == .done)
        let run = Self.run([folder.path, "--prompt", "a [PAD]"] + options)
        #expect(run.status == .failed)
        #expect(run.errors.contains("the text has the token '[PAD]' of id 1280, but the embedding has 1280 rows"))
    }

    /// What is too large for the key/value cache's F16 is right in F32; what is no number stays none.
    @Test(arguments: [(Float(3e4), true), (.nan, false)])
    func refusesLogitsThatAreNoNumbers(weight: Float, isOverflow: Bool) throws {
        let folder = try Fixture.copyOfLlama(replacing: "\"model\"", with: "\"model\"")
        try Fixture.fill("model.layers.0.input_layernorm.weight", with: weight, in: folder.path("model.safetensors"))
        let path = folder.path("logits.safetensors")
        let run = Self.run(folder.path, "--prompt-ids", "1,5", "--dump-logits", path)
        #expect(run.status == .failed && run.errors.contains("of 2 are not all finite numbers"))
        #expect(run.errors.contains("--exact keeps them in F32") == isOverflow)
        #expect(run.errors.contains("the weights may be damaged") != isOverflow)
        #expect(FilePath.kind(of: path) == .missing)
        let answer = Self.run(folder.path, "--prompt-ids", "1,5")
        #expect(answer.status == .failed && answer.errors.contains("--exact keeps them in F32") == isOverflow)
        #expect(Self.run(folder.path, "--prompt-ids", "1,5", "--dump-logits", path, "--exact").status == (isOverflow ? .done : .failed))
    }

    /// Special tokens of a raw prompt are tokens, unless they are asked to be text.
    @Test func parsesSpecialTokensOfARawPrompt() throws {
        func ids(_ options: String...) throws -> [Int] {
            let run = Self.run([Self.llama, "--prompt", "a<|endoftext|>", "--max-tokens", "1", "--json"] + options)
            return try #require(run.document()["prompt_ids"]?.array).compactMap(\.integer)
        }
        #expect(try ids("--template", "none").last == 1279)
        #expect(try !ids("--template", "none", "--no-parse-special").contains(1279))
        #expect(try !ids("--template", "mistral").contains(1279))
        #expect(try ids("--template", "mistral", "--parse-special").contains(1279))
        #expect(Self.run(Self.llama, "--prompt", "a", "--parse-special", "--no-parse-special").status == .usage)
    }

    @Test func adaptersChangeTheAnswer() {
        let base = Self.run(Self.llama, "--prompt", "Hello", "--max-tokens", "15", "--temperature", "0")
        let adapted = Self.run(Self.llama, "--prompt", "Hello", "--max-tokens", "15", "--temperature", "0", "--adapter", Self.adapter)
        let without = Self.run(
            Self.llama, "--prompt", "Hello", "--max-tokens", "15", "--temperature", "0", "--adapter", Self.adapter + "@0")
        #expect(adapted.status == .done && adapted.output != base.output)
        #expect(without.output == base.output)
    }

    @Test func endsBeforeAStopText() {
        let whole = Self.run(Self.llama, "--prompt", "Once", "--max-tokens", "20", "--temperature", "0").output
        let middle = whole.dropFirst(10).prefix(3)
        let stopped = Self.run(
            Self.llama, "--prompt", "Once", "--max-tokens", "20", "--temperature", "0", "--stop", String(middle)
        ).output.dropLast()
        #expect(whole.hasPrefix(stopped) && !stopped.contains(middle))
    }

    @Test(arguments: [
        (["--prompt-ids", "1,x"], ExitCode.usage, "--prompt-ids: '1,x' is no list of token ids like 1,15043,29892"),
        (["--prompt-ids", "1", "--prompt", "a"], .usage, "--prompt and --prompt-ids exclude each other"),
        (["--prompt-ids", "1,99999"], .failed, "token 2 of 2 has id 99999, but ids of this model go from 0 to"),
        (["--prompt-ids", "1,2,3", "--context", "2"], .failed, "the prompt has 3 tokens, but the context has room for 2"),
        (["--prompt", "a", "--stop", "b", "--stop", ""], .usage, "--stop needs a text, not an empty one"),
        (["--prompt", "a", "--adapter", "x@y"], .usage, "x@y: 'y' is no weight"),
        (["--prompt", "a", "--adapter", "nowhere.lora"], .failed, "nowhere.lora: does not exist"),
    ])
    func refuses(options: [String], status: ExitCode, message: String) {
        let run = ToolRunner(qrun, [Self.llama] + options)
        #expect(run.status == status && run.output.isEmpty)
        #expect(run.errors.contains("qrun: error: \(message)"))
    }

    @Test func refusesMorePositionsThanThereAre() {
        let run = Self.run(Fixture.sample("gpt2-tensorflow"), "--prompt", "a", "--context", "100000")
        #expect(run.status == .usage && run.errors.contains("the model has positions for"))
    }

    /// Told before anything is loaded: the weights that such a config asks for are not even there.
    @Test func saysWhatMemoryIsMissing() throws {
        let folder = try Fixture.copyOfLlama(replacing: "\"num_hidden_layers\": 4", with: "\"num_hidden_layers\": 4000")
        let runs = [
            ToolRunner(qrun, [folder.path, "--prompt", "a", "--context", "1000000"]),
            ToolRunner(qverify, ["perplexity", folder.path, "--text", Fixture.sample("text/heldout.txt"), "--context", "1000000"]),
        ]
        // 2 x 4000 layers x 1,000,000 positions x 2 heads x 32 elements, of 2 bytes and of 4.
        for (run, size) in zip(runs, ["1.02 TB", "2.05 TB"]) {
            #expect(run.status == .failed && run.output.isEmpty)
            #expect(run.errors.contains("error: \(folder.path) needs about \(size) of memory ("), "\(run.errors)")
            #expect(run.errors.contains(" of weights, \(size) for a context of 1000000), but "))
        }
    }

    /// What is set up in the end counts, also where nobody asked for so much by name.
    @Test(.disabled(if: ToolProcess.isSanitized, "a sanitizer takes memory of its own"))
    func limitsOfTheProcessCount() throws {
        let folder = try Fixture.copyOfLlama(replacing: "\"max_position_embeddings\": 256", with: "\"max_position_embeddings\": 1000000")
        for (options, status) in [(["--max-tokens", "1000000"], Int32(2)), (["--max-tokens", "2"], 0)] {
            let run = try ToolProcess("qrun", [folder.path, "--prompt", "a", "--threads", "1"] + options, limits: "ulimit -v 900000")
            #expect(run.wait() == .exit(status))
            #expect(run.errors.contains("needs about 1.12 GB of memory") == (status == 2), "\(run.errors)")
        }
    }

    @Test func aClosedPipeEndsItQuietly() throws {
        let folder = try TemporaryFolder()
        let pipe = folder.path("pipe")
        let run = try ToolProcess(
            "qrun", [Self.llama, "--prompt", "Once", "--max-tokens", "200", "--temperature", "5", "--top-k", "0"],
            limits: "mkfifo '\(pipe)'; head -c 10 < '\(pipe)' > '\(folder.path("head"))' & exec > '\(pipe)'")
        #expect(run.wait() == .signal(SIGPIPE))
        #expect(run.errors.isEmpty)
    }

    @Test func anInterruptEndsItAndLeavesWhatWasWritten() throws {
        let run = try ToolProcess(
            "qrun",
            [Self.llama, "--prompt", "Once", "--context", "1000000", "--max-tokens", "1000000", "--temperature", "5", "--top-k", "0"]
                + ["--top-p", "1", "--min-p", "0", "--template", "none"])
        while run.output.isEmpty { usleep(1000) }
        run.kill(SIGINT)
        #expect(run.wait() == .signal(SIGINT))
        #expect(run.errors.isEmpty && !run.output.isEmpty)
    }

    @Test(arguments: ["alpaca", "chatml", "mistral", "llama3", "none"])
    func templatesWriteThePrompt(name: String) throws {
        let document = try Self.run(Self.llama, "--prompt", "Hi", "--max-tokens", "1", "--template", name, "--json").document()
        let ids = try #require(document["prompt_ids"]?.array).compactMap(\.integer)
        let others = try Self.run(Self.llama, "--prompt", "Hi", "--max-tokens", "1", "--json").document()
        #expect((ids.count <= 3) == (name == "none"))
        // The sample's own template is none of these to the letter: a request and an answer, each with its head line.
        #expect(ids != others["prompt_ids"]?.array?.compactMap(\.integer))
    }

    @Test func refusesAnAdapterOfAnotherFamily() {
        let run = Self.run(Self.llama, "--prompt", "a", "--adapter", Fixture.sample("adapters/gpt2-instructions"))
        #expect(run.status == .failed && run.errors.contains("is of another family than"))
    }

    @Test func saysWhatStillWorksOnOtherArchitectures() throws {
        let folder = try Fixture.copyOfLlama(replacing: "\"model_type\": \"llama\"", with: "\"model_type\": \"mamba\"")
        let run = Self.run(folder.path, "--prompt", "a")
        #expect(run.status == .failed && run.errors.contains("model_type 'mamba'"))
        #expect(run.errors.contains("hint: converting, inspecting, merging and verifying work for any architecture\n"))
    }

    @Test func verifyFindsDamage() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", path]).status == .done)
        #expect(Self.run(path, "--prompt", "a", "--max-tokens", "1", "--verify").status == .done)
        try Fixture.damage(path)
        let run = Self.run(path, "--prompt", "a", "--max-tokens", "1", "--verify")
        #expect(run.status == .failed && run.errors.contains("checksum"))
    }
}
