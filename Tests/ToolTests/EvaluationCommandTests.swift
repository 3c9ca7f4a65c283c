import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qtrain
@testable import qverify

@Suite struct EvaluationCommandTests {
    private static let llama = Fixture.sample("llama-hf"), fourBit = Fixture.sample("llama-bnb4"), gpt2 = Fixture.sample("gpt2-tensorflow")
    private static let text = Fixture.sample("text/heldout.txt")

    private static func run(_ line: String...) -> ToolRunner {
        ToolRunner(qverify, line + ["--text", text, "--max-tokens", "300", "--context", "128"])
    }

    @Test func perplexityInTextAndJSON() throws {
        let run = Self.run("perplexity", Self.gpt2)
        let lines = run.output.split(separator: "\n").map(String.init)
        #expect(run.status == .done)
        #expect(lines.count == 3)
        #expect(lines[0] == "\(Self.gpt2): 300 tokens of \(Self.text), windows of 128")
        let document = try Self.run("perplexity", Self.gpt2, "--json").document()
        let value = try #require(document["perplexity"]?["perplexity"]?.double)
        #expect((2.2...3.2).contains(value))
        #expect(lines[1].hasPrefix("perplexity \(NumberText.fixed(value, decimals: 3).dropLast())"))
        #expect(document["text"]?["predicted_tokens"]?.integer == 297)
        let bits = try #require(document["perplexity"]?["bits_per_byte"]?.double)
        #expect(lines[2].hasSuffix("\(NumberText.fixed(bits, decimals: 4)) bits per byte"))
    }

    private static let records = [
        #"{"messages": [{"role": "user", "content": "Name a color."}, {"role": "assistant", "content": "Blue is a color."}]}"#,
        #"{"messages": [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One, two, three, four."}, "#
            + #"{"role": "user", "content": "On?"}, {"role": "assistant", "content": "Five."}]}"#,
        #"{"instruction": "Say hello.", "output": "Hello there, friend."}"#,
    ]

    /// What `qtrain evaluate` says of the same records: each of them to the last bit, and all of them but for the order of the sum.
    @Test func measuresRecordsAsTrainingDoes() throws {
        let folder = try TemporaryFolder()
        for (index, records) in (Self.records.map { [$0] } + [Self.records]).enumerated() {
            let data = try folder.write(records.joined(separator: "\n"), to: "\(index).jsonl")
            let trained = try ToolRunner(
                qtrain, ["evaluate", Self.llama, "--data", data, "--split", "0,1,0", "--part", "test", "--answers", "0", "--json"]
            ).document()
            let run = ToolRunner(qverify, ["perplexity", Self.llama, "--data", data, "--json"])
            let measured = try run.document()
            #expect(run.status == .done && measured["text"]?["records"]?.integer == records.count)
            #expect(measured["text"]?["predicted_tokens"] == trained["learned_tokens"])
            let loss = try #require(measured["perplexity"]?["loss"]?.double), expected = try #require(trained["loss"]?.double)
            #expect(records.count == 1 ? loss == expected : abs(loss - expected) < 1e-14 * expected, "\(loss), \(expected)")
        }
        let data = folder.path("3.jsonl")
        let words = ToolRunner(qverify, ["perplexity", Self.llama, "--data", data])
        #expect(words.output.contains(" tokens of \(data), the answers of 3 records\n"))
        let compared = try ToolRunner(qverify, ["compare", Self.llama, Self.fourBit, "--data", data, "--json"]).document()
        let alone = try ToolRunner(qverify, ["perplexity", Self.llama, "--data", data, "--json"]).document()
        let loss = try #require(alone["perplexity"]?["loss"]?.double)
        let side = try #require(compared["predictions"]?["perplexity_a"]?["loss"]?.double)
        #expect(
            abs(side - loss) < 1e-6 * loss && compared["predictions"]?["text"]?["predicted_tokens"] == alone["text"]?["predicted_tokens"])
        // Another template is other text, and other losses.
        let other = try ToolRunner(qverify, ["perplexity", Self.llama, "--data", data, "--template", "none", "--json"]).document()
        #expect(other["perplexity"]?["loss"]?.double != loss)
    }

    @Test func refusesRecordsThatSayNothing() throws {
        let folder = try TemporaryFolder()
        let data = try folder.write(#"{"instruction": "Say hello.", "output": "Hello there, friend."}"#, to: "data.jsonl")
        let cut = ToolRunner(qverify, ["perplexity", Self.llama, "--data", data, "--context", "4"])
        #expect(cut.status == .failed && cut.errors.contains("data.jsonl: there is nothing in its records that would be learned"))
        let calls = try folder.write(
            #"{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": [{"function": {}}]}]}"#,
            to: "calls.jsonl")
        let refused = ToolRunner(qverify, ["perplexity", Self.llama, "--data", calls, "--template", "alpaca"])
        #expect(refused.status == .failed && refused.errors.contains("calls.jsonl: line 1: the template has no place for turns and calls"))
    }

    @Test func limitsDecideTheExitStatus() throws {
        let passed = Self.run("compare", Self.llama, Self.fourBit, "--max-kl", "0.1", "--max-ppl-ratio", "1.5")
        #expect(passed.status == .done && passed.output.hasSuffix("OK: within the limits\n"))
        let failed = Self.run("compare", Self.llama, Self.fourBit, "--max-kl", "1e-5", "--max-ppl-ratio", "0.5", "--json")
        #expect(failed.status == .no)
        let document = try failed.document()
        #expect(document["ok"]?.bool == false)
        let failures = (document["failures"]?.array ?? []).map { $0.string ?? "" }
        try #require(failures.count == 2)
        #expect(failures[0].hasPrefix("the mean KL divergence of 0.00") && failures[0].hasSuffix(" nats is above 1e-05"))
        #expect(failures[1].hasSuffix(" is above 0.5"))
        #expect(document["predictions"]?["largest"]?.array?.count == 5)
    }

    /// What rounding costs beside what 4 bits cost, which is some 5e-3 nats here.
    @Test(arguments: [("balanced", 1e-5), ("fast", 1e-4)])
    func comparesPrecisions(_ precision: String, _ limit: Double) throws {
        let run = Self.run("compare", Self.llama, Self.fourBit, "--precision", precision)
        #expect(run.output.contains("B: \(Self.fourBit), \(precision) precision\n"))
        #expect(run.output.contains("KL divergence of \(precision) from exact"))
        let document = try Self.run("compare", Self.llama, Self.fourBit, "--precision", precision, "--json").document()
        let predictions = try #require(document["predictions"])
        #expect(predictions["precision"]?.string == precision)
        let rounding = try #require(predictions["kl_from_exact"]?.double)
        #expect(rounding > 0 && rounding < limit)
        let alone = try Self.run("perplexity", Self.fourBit, "--precision", precision, "--json").document()
        #expect(alone["precision"]?.string == precision)
        let loss = try #require(alone["perplexity"]?["loss"]?.double)
        let beside = try #require(predictions["perplexity_b"]?["loss"]?.double)
        #expect(abs(loss - beside) < 1e-9)
        let exact = try Self.run("perplexity", Self.fourBit, "--json").document()
        #expect(exact["precision"] == nil && exact["perplexity"]?["loss"]?.double != loss)
    }

    /// The base beside itself with an adapter: felt on B, gone with weight 0, and the same on both sides.
    @Test func measuresAdapters() throws {
        let adapter = Fixture.sample("adapters/llama-instructions")
        func divergence(_ options: String...) throws -> Double {
            let run = ToolRunner(
                qverify,
                ["compare", Self.fourBit, Self.fourBit, "--text", Self.text, "--max-tokens", "200", "--context", "100", "--json"] + options)
            let predictions = try #require(try run.document()["predictions"])
            #expect((predictions["adapters_b"]?.array?.isEmpty == false) == options.contains("--adapter-b"))
            return try #require(predictions["kl_mean"]?.double)
        }
        #expect(try divergence() < 1e-12)
        #expect(try divergence("--adapter-b", adapter) > 0.01)
        #expect(try divergence("--adapter-b", adapter + "@0") < 1e-12)
        #expect(try divergence("--adapter-a", adapter, "--adapter-b", adapter) < 1e-12)
        let run = Self.run("perplexity", Self.fourBit, "--adapter", adapter + "@0.5")
        #expect(run.status == .done && run.output.hasPrefix("\(Self.fourBit) with \(adapter)@0.5: 300 tokens of"))
        #expect(
            run.output.split(separator: "\n").dropFirst() != Self.run("perplexity", Self.fourBit).output.split(separator: "\n").dropFirst())
        let stranger = Self.run("perplexity", Self.fourBit, "--adapter", Fixture.sample("adapters/gpt2-instructions"))
        #expect(stranger.status == .failed && stranger.errors.contains("is of another family than"))
    }

    @Test func refusesModelsWithOtherTokens() throws {
        let other = try Fixture.copyOfLlama(replacing: "\"Ġthe\": 260", with: "\"Ġ the\": 260", in: "tokenizer.json")
        try Fixture.replace("\"Ġnear\": 900", with: "\"Ġthe\": 900", in: other.path("tokenizer.json"))
        try Fixture.replace("\"Ġ the\": 260", with: "\"Ġnear\": 260", in: other.path("tokenizer.json"))
        let run = Self.run("compare", Self.llama, other.path)
        #expect(run.status == .failed && run.output.isEmpty)
        #expect(
            run.errors.hasPrefix("qverify: error: \(Self.llama) and \(other.path) cut the text into different tokens, first at token ")
                && run.errors.hasSuffix("\nhint: only models with the same tokenizer can be compared token by token\n"))
    }

    @Test func reportsWeightsAndPredictions() throws {
        let text = Self.run("report", Self.llama, Self.fourBit)
        #expect(text.status == .done)
        #expect(text.output.contains("\nmodel.layers.3 ") && text.output.contains("\nKL divergence, mean "))
        #expect(text.output.hasSuffix("OK: all errors are within the bound of the format\n"))
        let document = try ToolRunner(qverify, ["report", Self.llama, Self.fourBit, "--json"]).document()
        #expect(document["ok"]?.bool == true)
        #expect(document["predictions"] == .null)
        #expect(document["weights"]?["layers"]?.array?.count == 4)
        #expect(document["weights"]?["unchanged_tensors"]?.integer == 11)
        // Another model's weights are no conversion of these.
        let other = ToolRunner(qverify, ["report", Self.gpt2, Self.fourBit])
        #expect(other.status == .no && other.output.contains("NOT OK: 52 tensors of the source are missing in the model"))
    }

    /// What calibration gains is hidden from errors of weights, which rise, and told by those of outputs, which fall.
    @Test func reportsWhatLayersPutOut() throws {
        let folder = try TemporaryFolder(), calibrated = folder.path("a.qnf"), plain = folder.path("b.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", plain]).status == .done)
        #expect(
            ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", calibrated, "--calibrate", Self.text, "--tokens", "2048"]).status == .done)
        func document(_ model: String) throws -> JSONValue {
            let run = ToolRunner(qverify, ["report", Self.llama, model, "--activations", Self.text, "--tokens", "1024", "--json"])
            #expect(run.status == .done, "\(run.errors)")
            return try run.document()
        }
        let (first, second) = (try document(plain), try document(calibrated))
        func error(_ document: JSONValue) throws -> (weights: Double, outputs: Double) {
            let outputs = try #require(document["outputs"]?["output_error"]?.double)
            return (try #require(document["weights"]?["quantized"]?["relative_rmse"]?.double), outputs)
        }
        #expect(try error(second).weights > error(first).weights && error(second).outputs < 0.85 * error(first).outputs)
        #expect(first["outputs"]?["tokens"]?.integer == 1024 && first["outputs"]?["tensors"]?.integer == 28)
        let rows = try #require(first["weights"]?["layers"]?.array?.first?["tensors"]?.array)
        #expect(rows.count == 7 && rows.allSatisfy { ($0["output_error"]?.double ?? 0) > 0 })

        let page = folder.path("page.html")
        let text = ToolRunner(qverify, ["report", Self.llama, plain, "--activations", "default"])
        #expect(text.output.contains("outputs\n") && text.output.contains("put out on 2,048 tokens of default, as a share of it;"))
        #expect(ToolRunner(qverify, ["report", Self.llama, plain, "--activations", "default", "-o", page]).status == .done)
        let ids = try PageReader(try folder.text("page.html")).elements.compactMap { $0.attributes["id"] }
        #expect(ids.contains("outputs"))
        let unasked = ToolRunner(qverify, ["report", Self.llama, plain, "--tokens", "600"])
        #expect(unasked.status == .usage && unasked.errors.contains("but there is no --activations"))
    }

    /// The page that qinspect makes of the model, with the answer, and with what is made of a text.
    @Test func writesAPage() throws {
        let folder = try TemporaryFolder()
        let page = folder.path("page.html"), adapter = Fixture.sample("adapters/llama-instructions")
        let run = Self.run("report", Self.llama, Self.fourBit, "-o", page, "--adapter-b", adapter, "--max-kl", "1e-5", "--quiet")
        #expect(run.status == .no && run.output.hasPrefix("\(page): ") && run.output.contains("\nNOT OK: the mean KL divergence of "))
        let read = try PageReader(try folder.text("page.html"))
        let ids = read.elements.compactMap { $0.attributes["id"] }
        #expect(ids == ["sizes", "error", "predictions", "values", "files", "tensors"])
        #expect(read.elements.compactMap { $0.attributes["href"] } == ids.map { "#\($0)" })
        #expect(read.texts(in: "b").contains("✓ Sound") && read.texts(in: "b").contains("✗ Not within bounds"))
        #expect(read.texts(in: "p").contains("B: llama-bnb4 with llama-instructions"))
        #expect(!(try folder.text("page.html").contains(Fixture.repository)))
        let document = try Self.run("report", Self.llama, Self.fourBit, "--adapter-b", adapter, "--json").document()
        let perplexity = try #require(document["predictions"]?["perplexity_b"]?["perplexity"]?.double)
        let cell = try #require(read.texts(in: "td").first { $0.hasPrefix(NumberText.fixed(perplexity, decimals: 2).dropLast()) })
        #expect(cell.contains(" ± "))
        // Not again without being told to, and never over what is read.
        #expect(Self.run("report", Self.llama, Self.fourBit, "-o", page).status == .failed)
        let text = try folder.write("a text to read", to: "text")
        let over = ToolRunner(qverify, ["report", Self.llama, Self.fourBit, "--text", text, "-o", text, "--force"])
        #expect(over.status == .failed && over.errors.contains("is also an input"))
        // Weights alone, and the answer is yes.
        let plain = ToolRunner(qverify, ["report", Self.llama, Self.fourBit, "-o", page, "--force", "--quiet"])
        #expect(plain.status == .done && plain.output.split(separator: "\n").count == 1)
        #expect(try PageReader(try folder.text("page.html")).texts(in: "b").contains("✓ Within bounds"))
    }

    @Test(arguments: [
        (["perplexity", llama], "qverify: error: there is nothing to read\nhint: give --text FILE, or records with --data FILE"),
        (["compare", llama, llama], "there is nothing to read"),
        (["perplexity", llama, "--text", text, "--data", text], "--text and --data exclude each other"),
        (["perplexity", llama, "--data", text, "--stride", "9"], "--stride is for --text: records are read whole"),
        (["perplexity", llama, "--text", text, "--template", "alpaca"], "--template says how records are written, but there is no --data"),
        (["perplexity", llama, "--text", text, "--context", "8", "--stride", "9"], "--stride 9 is longer than the context of 8 tokens"),
        (["perplexity", gpt2, "--text", text, "--context", "257"], "has learned 256 positions and no more"),
        (["report", llama, fourBit, "--max-kl", "1"], "--max-kl says something about a text, but there is neither --text nor --data"),
        (
            ["report", llama, fourBit, "--adapter-b", "x"],
            "--adapter-b says something about a text, but there is neither --text nor --data"
        ),
    ])
    func refusesWhatCannotBeMeant(line: [String], message: String) {
        let run = ToolRunner(qverify, line)
        #expect(run.status == .usage && run.output.isEmpty)
        #expect(run.errors.contains(message), "\(run.errors)")
    }

    @Test func refusesTextThatIsNotUTF8() throws {
        let folder = try TemporaryFolder()
        try OutputBytes.write([0x61, 0x62, 0xff, 0x63], to: folder.path("bad.txt"))
        let run = ToolRunner(qverify, ["perplexity", Self.llama, "--text", folder.path("bad.txt")])
        #expect(run.status == .failed && run.errors.contains("bad.txt: byte 2: is not UTF-8"))
        try OutputBytes.write([0x61], to: folder.path("short.txt"))
        let short = ToolRunner(qverify, ["perplexity", Self.llama, "--text", folder.path("short.txt")])
        #expect(short.errors == "qverify: error: the text has 1 tokens, but it takes 2 to predict one from another\n")
    }
}

/// Small files of tests.
private enum OutputBytes {
    static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        defer { close(descriptor) }
        let count = Glibc.write(descriptor, bytes, bytes.count)
        try #require(count == bytes.count)
    }
}
