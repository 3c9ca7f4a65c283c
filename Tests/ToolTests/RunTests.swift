import ByteIO
import CommandLineKit
import Glibc
import JSONText
import SafetensorsFormat
import TensorCore
import Testing

@testable import qconvert
@testable import qrun

@Suite struct RunTests {
    private static let llama = Fixture.sample("llama-hf")
    private static let adapter = Fixture.sample("adapters/llama-instructions")

    private static func run(_ line: String...) -> ToolRunner { ToolRunner(qrun, line) }

    @Test func theSameTextForAnyNumberOfThreads() {
        let runs = ["1", "2", "3"].map { Self.run(Self.llama, "--prompt", "Once", "--max-tokens", "12", "--threads", $0) }
        #expect(Set(runs.map(\.output)).count == 1)
        #expect(runs[0].status == .done && runs[0].output.utf8.count > 10)
        #expect(runs[0].errors.contains("12 written in"))
        let other = Self.run(Self.llama, "--prompt", "Once", "--max-tokens", "12", "--seed", "7")
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

    @Test func dumpsLogitsOfThePrompt() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("logits.safetensors")
        let run = Self.run(Self.llama, "--prompt-ids", "1,5,9", "--dump-logits", path, "--exact")
        #expect(run.status == .done && run.errors.isEmpty)
        let tensor = try #require(try SafetensorsFile(path: path).tensors.first)
        #expect(tensor.name == "logits" && tensor.shape.dimensions[0] == 3)
        #expect(run.output == "\(path): logits \(tensor.shape.dimensions) of F32\n")
        #expect(Self.run(Self.llama, "--prompt-ids", "1", "--dump-logits", path).status == .failed)
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
        (["--prompt", "a", "--adapter", "x@y"], .usage, "--adapter x@y: 'y' is no weight"),
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

    @Test func refusesAnAdapterOfAnotherFamily() {
        let run = Self.run(Self.llama, "--prompt", "a", "--adapter", Fixture.sample("adapters/gpt2-instructions"))
        #expect(run.status == .failed && run.errors.contains("is of another family than"))
    }

    @Test func saysWhatStillWorksOnOtherArchitectures() throws {
        let folder = try TemporaryFolder()
        for name in ["config.json", "model.safetensors"] {
            let source = Fixture.sample("llama-bnb4/\(name)")
            let file = try AtomicOutput(destination: folder.file(name), replaces: false)
            let output = try file.file()
            try output.write(try Fixture.bytes(source), atOffset: 0)
            try file.commit([output])
        }
        try Fixture.replace("\"model_type\": \"llama\"", with: "\"model_type\": \"mamba\"", in: folder.file("config.json"))
        let run = Self.run(folder.path, "--prompt", "a")
        #expect(run.status == .failed && run.errors.contains("model_type 'mamba'"))
        #expect(run.errors.contains("hint: converting, inspecting, merging and verifying work for any architecture\n"))
    }

    @Test func verifyFindsDamage() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", path]).status == .done)
        #expect(Self.run(path, "--prompt", "a", "--max-tokens", "1", "--verify").status == .done)
        try Fixture.damage(path)
        let run = Self.run(path, "--prompt", "a", "--max-tokens", "1", "--verify")
        #expect(run.status == .failed && run.errors.contains("checksum"))
    }
}
