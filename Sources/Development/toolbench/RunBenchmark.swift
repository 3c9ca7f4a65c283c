import ByteIO
import CommandLineKit
import JSONText
import Parallelism
import SafetensorsFormat
import TensorCore

/// How fast `qrun` reads prompts and writes text, on 4-bit models of random weights.
struct RunBenchmark {
    private let binaries: String
    private let folder: String
    private let python: String?
    private let results: BenchmarkResults
    /// Tokens that are read, before one is written, and that stand before those that are written.
    private static let (readLength, contextLength) = (512, 16)
    private static let generatedLength = 64
    private static let runCount = 5
    /// In turn, as runs of one are.
    private static let precisions = ["balanced", "fast"]

    /// A model, and what llama.cpp reaches on its shapes with 4-bit weights and two threads of the reference machine.
    private struct Case {
        let model: BenchmarkModel
        /// [V, C] of the head, which is read in 8 bits, and names of tables of which a token reads only a row.
        let head: (rows: Int, width: Int)
        let tables: Set<String>
        var generation: Double?
        var reading: Double?
        /// What `llama_cpp_bench.py` calls the shapes.
        let peer: String
    }

    /// - Parameter python: has llama-cpp-python and gguf; nil for no comparison with llama.cpp.
    init(binaries: String, folder: String, python: String?, results: BenchmarkResults) {
        self.binaries = binaries
        self.folder = folder
        self.python = python
        self.results = results
    }

    func run() throws { try run(Self.cases) }

    /// Shapes of a model of 7 billion weights.
    func runLarge() throws { try run([Self.large]) }

    private func run(_ cases: [Case]) throws {
        let bandwidth = Self.readBandwidth()
        print("\nqrun on 4-bit models of random weights, medians of \(Self.runCount) runs; \(Self.readLength) tokens are read,")
        print("or \(Self.generatedLength) written after \(Self.contextLength); memory is read at \(NumberText.byteRate(bandwidth)) here;")
        print("targets are what llama.cpp reaches on the reference machine, and 60 % of that bandwidth\n")
        print(row("", "precision", "written/s", "target", "bandwidth", "read/s", "target", "first", "memory"))
        for shape in cases { try measure(shape, bandwidth: bandwidth) }
    }

    private func measure(_ shape: Case, bandwidth: Double) throws {
        let model = try shape.model.quantized(in: folder, binaries: binaries)
        let byteCount = Double(try bytesPerToken(model, shape))
        let reading = try runs(model, promptLength: Self.readLength, generatedLength: 1)
        let writing = try runs(model, promptLength: Self.contextLength, generatedLength: Self.generatedLength)
        func median(_ documents: [JSONValue], _ key: String) -> Double {
            documents.compactMap { $0[key]?.double }.sorted()[Self.runCount / 2]
        }
        func target(_ value: Double?) -> String { value.map { ">= \(NumberText.significant($0, digits: 3))" } ?? "" }
        for (precision, (reading, writing)) in zip(Self.precisions, zip(reading, writing)) {
            let written = median(writing, "tokens_per_second"), read = median(reading, "prompt_tokens_per_second")
            let share = written * byteCount / bandwidth
            let memory = reading.compactMap { $0["peak_memory"]?.integer }.max() ?? 0
            let first = median(reading, "seconds") - median(reading, "generation_seconds") - median(reading, "prompt_seconds")
            results.add(
                table: "run", title: shape.model.name,
                [
                    "precision": .string(precision), "written_per_second": .double(written), "read_per_second": .double(read),
                    "share_of_bandwidth": .double(share), "bandwidth": .double(bandwidth), "first_seconds": .double(first),
                    "peak_memory": .integer(memory),
                ])
            print(
                row(
                    shape.model.name, precision, NumberText.significant(written, digits: 3), target(shape.generation),
                    NumberText.percent(share, decimals: 0), NumberText.significant(read, digits: 3), target(shape.reading),
                    NumberText.duration(seconds: first), NumberText.byteCount(memory)))
        }
        try measurePeer(of: shape)
    }

    /// llama.cpp on blocks of 4 bits in the same shapes.
    private func measurePeer(of shape: Case) throws {
        guard let python else { return }
        let output = FilePath.join(folder, "peer.json")
        let type = "Q4_0"
        _ = try Process(
            [python, "Tests/Interop/llama_cpp_bench.py", "--shape", shape.peer, "--type", type, "--threads", "2", "--json"], output: output)
        let document = try JSONValue(parsing: try InputFile(path: output).allBytes(limit: 1 << 20))
        guard let result = document["results"]?.array?.first, let written = result["decode"]?.double, let read = result["prefill"]?.double
        else { throw Process.Failure(description: "llama_cpp_bench.py gives no figures") }
        results.add(
            table: "run", title: shape.model.name,
            ["peer": .string("llama.cpp"), "type": .string(type), "written_per_second": .double(written), "read_per_second": .double(read)])
        print(
            row(
                "  llama.cpp", type, NumberText.significant(written, digits: 3), "", "", NumberText.significant(read, digits: 3), "", "", ""
            ))
    }

    /// Reports of several runs for each precision; the first brings the file into the page cache and is not counted.
    private func runs(_ model: String, promptLength: Int, generatedLength: Int) throws -> [[JSONValue]] {
        let ids = (0..<promptLength).map { String(($0 * 7919) % 32000) }.joined(separator: ",")
        let output = FilePath.join(folder, "run.json")
        var reports = [[JSONValue]](repeating: [], count: Self.precisions.count)
        for run in 0...Self.runCount {
            for (index, precision) in Self.precisions.enumerated() {
                let command = [
                    FilePath.join(binaries, "qrun"), model, "--prompt-ids", ids, "--max-tokens", String(generatedLength), "--temperature",
                    "0", "--precision", precision, "--json",
                ]
                _ = try Process(command, output: output)
                if run > 0 { reports[index].append(try JSONValue(parsing: try InputFile(path: output).allBytes(limit: 1 << 24))) }
            }
        }
        return reports
    }

    /// Bytes of weights that one token reads.
    private func bytesPerToken(_ model: String, _ shape: Case) throws -> Int {
        let stored = try SafetensorsFile(path: model).tensors
        let linear = stored.filter { !shape.tables.contains($0.name) && !$0.name.hasPrefix("qnf.file/") }.reduce(0) { $0 + $1.byteCount }
        return linear + shape.head.rows * shape.head.width * 17 / 16
    }

    /// Bytes a second that all processors together read from memory, the median of several passes.
    private static func readBandwidth() -> Double {
        let pool = WorkerPool()
        let words = [UInt64](repeating: 1, count: 1 << 26)
        let pieceCount = 64
        let rates = (0..<9).map { _ in
            let start = ContinuousClock.now
            words.withUnsafeBufferPointer { words in
                pool.forKernels(count: pieceCount) { piece, _ in
                    let count = words.count / pieceCount
                    let sum = words[piece * count..<(piece + 1) * count].reduce(0, &+)
                    precondition(sum == UInt64(count), "memory holds what was written")
                }
            }
            let duration = ContinuousClock.now - start
            let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
            return Double(words.count * 8) / seconds
        }
        return rates.sorted()[rates.count / 2]
    }

    private static let cases = [
        Case(
            model: .tinyLlama, head: (32000, 2048), tables: ["model.embed_tokens.weight", "lm_head.weight"], generation: 36, reading: 88,
            peer: "tinyllama"),
        Case(
            model: .gpt2Medium, head: (50257, 1024), tables: ["transformer.wte.weight", "transformer.wpe.weight"], generation: 81,
            reading: 238, peer: "gpt2-355m"),
        Case(
            model: .gpt2Small, head: (50257, 768), tables: ["transformer.wte.weight", "transformer.wpe.weight"], generation: 230,
            reading: 822, peer: "gpt2-124m"),
    ]

    private static let large = Case(
        model: .mistral, head: (32000, 4096), tables: ["model.embed_tokens.weight", "lm_head.weight"], peer: "mistral-7b")

    private func row(_ title: String, _ cells: String...) -> String {
        func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
        return title + String(repeating: " ", count: max(0, 16 - title.count))
            + zip(cells, [10, 10, 9, 10, 8, 9, 10, 9]).map(padded).joined()
    }
}
