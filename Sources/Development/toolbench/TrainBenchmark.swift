import Architectures
import ByteIO
import CommandLineKit
import JSONText
import LinearAlgebra
import Parallelism

/// How fast `qtrain` learns, and in how much memory, on models of random weights.
struct TrainBenchmark {
    private let binaries: String
    private let folder: String
    private let results: BenchmarkResults
    private static let rank = 16
    private static let goodStart = 2.0

    /// A run, and what it is to reach on the reference machine.
    private struct Case {
        let title: String
        let model: BenchmarkModel
        var isFull = false
        var recomputes = false
        var batchSize = 4
        var length = 256
        var stepCount = 3
        /// Tokens a second; nil where none is asked for.
        let speed: Double?
        let memory: Int

        /// Additions and multiplications that a step needs; activations made a second time are not counted.
        ///
        ///     P  weights of linear layers      V C  weights of the head      L  of LoRA      N  tokens
        ///
        ///     LoRA   4 N (P + V C) + 6 N L: the base has no gradient      full   6 N (P + V C)
        ///     attention: two products forward, four backward, over all pairs of a position and one before it
        var flops: Double {
            let (width, layers) = (model.description.width, model.description.layers.count)
            let tokens = Double(batchSize * length)
            let base = Double(model.linearCount + model.description.vocabularySize * width)
            let pairs = Double(batchSize * length * (length + 1) / 2)
            let products = isFull ? 6 * base : 4 * base + 6 * Double(TrainBenchmark.rank * model.lowRankCount)
            return tokens * products + 12 * pairs * Double(width * layers)
        }
    }

    init(binaries: String, folder: String, results: BenchmarkResults) {
        self.binaries = binaries
        self.folder = folder
        self.results = results
    }

    func run() throws {
        try run(
            Self.cases,
            title: """
                qtrain on models of random weights, r = \(Self.rank) on all linear layers of a 4-bit base, AdamW, 4 x 256 tokens;
                medians without the first step; targets are 1.1 x PyTorch with PEFT on the reference machine, in 0.4 x its
                memory (0.8 x for full fine-tuning)
                """)
    }

    /// Shapes of a model of 7 billion weights.
    func runLarge() throws {
        try run(
            [Self.large],
            title: """
                qtrain on Mistral 7B's shapes with random weights, r = \(Self.rank) on all linear layers of a 4-bit base, AdamW, \
                1 x 512 tokens
                """)
    }

    private func run(_ cases: [Case], title: String) throws {
        if FilePath.kind(of: folder) == .missing { _ = try Process(["mkdir", "-p", folder]) }
        let peak = Self.sgemmFlops()
        print("\n\(title); sgemm reaches \(NumberText.significant(peak * 1e-9, digits: 3)) GFLOP/s here\n")
        print(row("", "tokens/s", "target", "of sgemm", "memory", "target", "start", "target"))
        for shape in cases { try measure(shape, peak: peak) }
    }

    private func measure(_ shape: Case, peak: Double) throws {
        let model =
            shape.isFull ? try shape.model.dense(in: folder) : try shape.model.quantized(in: folder, binaries: binaries)
        let (text, log, report) = (path("text.txt"), path("train.jsonl"), path("train.json"))
        let output = path(shape.isFull ? "trained" : "trained.lora")
        // About two bytes a token, twice as many as are needed: one sample is cut short, and its step not counted.
        let words = (0..<shape.batchSize * shape.length * shape.stepCount).map { "word\(($0 * 7919) % 10007)" }
        try BenchmarkModel.write(words.joined(separator: " "), to: text)
        var command = [
            FilePath.join(binaries, "qtrain"), model, "--data", text, "-o", output, "--template", "none", "--split", "1,0,0",
            "--batch-size", String(shape.batchSize), "--max-length", String(shape.length + 1), "--steps", String(shape.stepCount),
            "--checkpointing", shape.recomputes ? "on" : "off", "--log", log, "--force", "--json",
        ]
        command += shape.isFull ? ["--full"] : ["--rank", String(Self.rank), "--dropout", "0"]
        // The model comes into the page cache.
        _ = try Process(["cat", shape.isFull ? FilePath.join(model, "model.safetensors") : model])
        _ = try Process(command, output: report)
        let document = try JSONValue(parsing: try InputFile(path: report).allBytes(limit: 1 << 24))
        let seconds = try stepSeconds(log, tokens: shape.batchSize * shape.length)
        let memory = document["peak_memory"]?.integer ?? 0
        let start = document["start_seconds"]?.double ?? .nan
        results.add(
            table: "train", title: shape.model.name,
            [
                "tokens_per_second": .double(Double(shape.batchSize * shape.length) / seconds),
                "share_of_sgemm":
                    .double(shape.flops / seconds / peak), "peak_memory": .integer(memory), "start_seconds": .double(start),
                "full": .bool(shape.isFull), "checkpointing": .bool(shape.recomputes), "batch_size": .integer(shape.batchSize),
                "length": .integer(shape.length),
            ])
        print(
            row(
                shape.title, NumberText.significant(Double(shape.batchSize * shape.length) / seconds, digits: 3),
                shape.speed.map { ">= \(NumberText.significant($0, digits: 3))" } ?? "",
                NumberText.percent(shape.flops / seconds / peak, decimals: 0), NumberText.byteCount(memory),
                "<= \(NumberText.byteCount(shape.memory))", NumberText.duration(seconds: start),
                shape.isFull ? "" : "<= \(NumberText.duration(seconds: Self.goodStart))"))
        _ = try Process(["rm", "-rf", output])
    }

    /// The median of the whole steps but the first.
    private func stepSeconds(_ log: String, tokens: Int) throws -> Double {
        let lines = try InputFile(path: log).allBytes(limit: 1 << 24).split(separator: 0x0a)
        let steps = try lines.map { try JSONValue(parsing: Array($0)) }.filter { $0["seconds"] != nil }
        let seconds = steps.dropFirst().filter { $0["tokens"]?.integer == tokens }.compactMap { $0["seconds"]?.double }.sorted()
        guard !seconds.isEmpty else { throw Process.Failure(description: "\(log): no step had \(tokens) tokens") }
        return seconds[seconds.count / 2]
    }

    /// Of all threads at once, each with a product of its own, the best of several.
    private static func sgemmFlops() -> Double {
        let pool = WorkerPool()
        let size = 1536
        let matrix = Matrix(zeros: size, size)
        var best = 0.0
        for _ in 0..<7 {
            let start = ContinuousClock.now
            pool.forKernels(count: pool.threadCount) { _, _ in
                precondition(Matrix.product(matrix, matrix).rows == size, "a square times a square is a square")
            }
            let duration = (ContinuousClock.now - start).components
            let seconds = Double(duration.seconds) + Double(duration.attoseconds) * 1e-18
            best = max(best, Double(pool.threadCount) * 2 * Double(size * size * size) / seconds)
        }
        return best
    }

    private static let cases = [
        Case(title: "GPT-2 124M", model: .gpt2Small, stepCount: 6, speed: 266, memory: 1_300_000_000),
        Case(title: "GPT-2 355M", model: .gpt2Medium, speed: 87, memory: 2_700_000_000),
        Case(title: "TinyLlama 1.1B", model: .tinyLlama, speed: 29, memory: 3_500_000_000),
        Case(title: "  checkpointing", model: .tinyLlama, recomputes: true, speed: nil, memory: 1_600_000_000),
        Case(title: "GPT-2 124M, full", model: .gpt2Small, isFull: true, stepCount: 4, speed: 152, memory: 3_300_000_000),
    ]

    private static let large = Case(
        title: "  checkpointing", model: .mistral, recomputes: true, batchSize: 1, length: 512, stepCount: 2, speed: nil,
        memory: 8_000_000_000)

    private func path(_ name: String) -> String { FilePath.join(folder, name) }

    private func row(_ title: String, _ cells: String...) -> String {
        func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
        return title + String(repeating: " ", count: max(0, 20 - title.count))
            + zip(cells, [10, 8, 10, 10, 12, 10, 10]).map(padded).joined()
    }
}
