import Architectures
import ByteIO
import CommandLineKit
import JSONText
import Parallelism
import SafetensorsFormat
import TensorCore

/// How fast `qrun` reads prompts and writes text, on 4-bit models of random weights; other engines beside it, each run of theirs right
/// after one of ours.
struct RunBenchmark {
    private let binaries: String
    private let folder: String
    private let peers: [Peer]
    private let results: BenchmarkResults
    /// Every row of the table.
    private static let precisions = ["balanced", "fast"]

    /// Models that are measured alike.
    private struct Table {
        let name: String
        let models: [BenchmarkModel]
        /// Tokens that are read, before one is written, and that stand before those that are written.
        var readLength = 512, contextLength = 16
        var generatedLength = 64
        var runCount = 5
    }

    /// Tokens a second.
    private struct Speed {
        var written: [Double] = [], read: [Double] = []
    }

    init(binaries: String, folder: String, peers: [Peer], results: BenchmarkResults) {
        self.binaries = binaries
        self.folder = folder
        self.peers = peers
        self.results = results
    }

    func run() throws { try run(Table(name: "run", models: [.tinyLlama, .gpt2Medium, .gpt2Small])) }

    /// Shapes of other families, a mixture among them.
    func runFamilies() throws {
        try run(Table(name: "families", models: [.gemmaSmall, .gemma, .phiMini, .qwenMixture], runCount: 3))
    }

    /// Behind many tokens.
    func runContexts() throws {
        try run(Table(name: "context", models: [.longLlama], readLength: 16384, contextLength: 16384, generatedLength: 32, runCount: 1))
    }

    /// Shapes of a model of 7 billion weights.
    func runLarge() throws { try run(Table(name: "large", models: [.mistral], runCount: 3)) }

    private func run(_ table: Table) throws {
        let bandwidth = Self.readBandwidth()
        print(
            "\nqrun on 4-bit models of random weights, medians of \(table.runCount) runs, two threads; \(table.readLength) tokens are read,"
        )
        print("or \(table.generatedLength) written after \(table.contextLength); memory is read at \(NumberText.byteRate(bandwidth)) here;")
        print("after another engine's figures: ours as a multiple of them, medians of pairs of runs\n")
        print(row("", "precision", "written/s", "bandwidth", "read/s", "first", "memory"))
        for model in table.models { try measure(model, table, bandwidth: bandwidth) }
    }

    private func measure(_ shapes: BenchmarkModel, _ table: Table, bandwidth: Double) throws {
        let model = try shapes.quantized(in: folder, binaries: binaries)
        let blocks = peers.isEmpty ? nil : try shapes.blocks(in: folder, binaries: binaries)
        try shapes.removeDense(in: folder)
        let byteCount = try bytesPerToken(model, shapes.description)
        let prompts = try [table.readLength, table.contextLength].map { length in
            let path = FilePath.join(folder, "prompt-\(length).txt")
            let ids = (0..<length).map { String(($0 * 7919) % shapes.description.vocabularySize) }
            try BenchmarkModel.write(ids.joined(separator: ","), to: path)
            return path
        }
        var ours = [Speed](repeating: Speed(), count: Self.precisions.count)
        // Nil of one that does not run the model.
        var theirs = [Speed?](repeating: Speed(), count: peers.count)
        var memory = [Int](repeating: 0, count: Self.precisions.count), first = [[Double]](repeating: [], count: Self.precisions.count)
        // The first run brings files into the page cache and is not counted.
        for run in 0...table.runCount {
            for (index, precision) in Self.precisions.enumerated() {
                let writing = try document(model, prompt: prompts[1], generatedLength: table.generatedLength, precision)
                let isBoth = table.readLength == table.contextLength
                let reading = isBoth ? writing : try document(model, prompt: prompts[0], generatedLength: 1, precision)
                guard run > 0 else { continue }
                ours[index].read.append(reading["prompt_tokens_per_second"]?.double ?? .nan)
                ours[index].written.append(writing["tokens_per_second"]?.double ?? .nan)
                memory[index] = max(memory[index], reading["peak_memory"]?.integer ?? 0)
                let parts = ["generation_seconds", "prompt_seconds"].reduce(0) { $0 + (reading[$1]?.double ?? .nan) }
                first[index].append((reading["seconds"]?.double ?? .nan) - parts)
            }
            guard let blocks else { continue }
            for (index, peer) in peers.enumerated() where theirs[index] != nil {
                do {
                    let (read, written) = try peer.speeds(
                        of: blocks, readLength: table.readLength, depth: table.contextLength, writtenLength: table.generatedLength,
                        folder: folder)
                    guard run > 0 else { continue }
                    theirs[index]?.read.append(read)
                    theirs[index]?.written.append(written)
                } catch let failure as Process.Failure {
                    print("\(peer.name) is left out: \(failure)")
                    theirs[index] = nil
                }
            }
        }
        for (index, precision) in Self.precisions.enumerated() {
            let speed = ours[index], written = Self.median(speed.written)
            let share = written * byteCount / bandwidth
            results.add(
                table: table.name, title: shapes.name,
                [
                    "precision": .string(precision), "written_per_second": .double(written),
                    "read_per_second": .double(Self.median(speed.read)), "share_of_bandwidth": .double(share),
                    "bandwidth": .double(bandwidth), "first_seconds": .double(Self.median(first[index])),
                    "peak_memory": .integer(memory[index]), "read_tokens": .integer(table.readLength),
                    "context": .integer(table.contextLength),
                ])
            print(
                row(
                    shapes.name, precision, Self.text(written), NumberText.percent(share, decimals: 0), Self.text(Self.median(speed.read)),
                    NumberText.duration(seconds: Self.median(first[index])), NumberText.byteCount(memory[index])))
        }
        for case (let peer, let speed?) in zip(peers, theirs) { note(peer, speed, beside: ours, shapes, table) }
    }

    private func note(_ peer: Peer, _ speed: Speed, beside ours: [Speed], _ shapes: BenchmarkModel, _ table: Table) {
        var values: [String: JSONValue] = [
            "peer": .string(peer.name), "type": .string("Q4_0"), "written_per_second": .double(Self.median(speed.written)),
            "read_per_second": .double(Self.median(speed.read)),
        ]
        print(row("  \(peer.name)", "Q4_0", Self.text(Self.median(speed.written)), "", Self.text(Self.median(speed.read)), "", ""))
        for (index, precision) in Self.precisions.enumerated() {
            let written = Self.median(zip(ours[index].written, speed.written).map { $0 / $1 })
            let read = Self.median(zip(ours[index].read, speed.read).map { $0 / $1 })
            values["\(precision)_written_ratio"] = .double(written)
            values["\(precision)_read_ratio"] = .double(read)
            print(row("", "  \(precision)", Self.ratio(written), "", Self.ratio(read), "", ""))
        }
        results.add(table: table.name, title: shapes.name, values)
    }

    private func document(_ model: String, prompt: String, generatedLength: Int, _ precision: String) throws -> JSONValue {
        let output = FilePath.join(folder, "run.json")
        _ = try Process(
            [
                FilePath.join(binaries, "qrun"), model, "--prompt-ids", "@" + prompt, "--max-tokens", String(generatedLength),
                "--temperature", "0", "--precision", precision, "--threads", "2", "--json",
            ], output: output)
        return try JSONValue(parsing: try InputFile(path: output).allBytes(limit: 1 << 24))
    }

    /// Bytes of weights that one token reads: of tables a row, of experts those that it asks, and the head in 8 bits.
    private func bytesPerToken(_ model: String, _ description: ModelDescription) throws -> Double {
        var shares: [String: Double] = [:]
        for tensor in description.expectedTensors {
            switch tensor.key.role {
            case .embedding, .positions, .head: shares[tensor.name] = 0
            case let role where role.isOfExpert:
                shares[tensor.name] = description.mixture.map { Double($0.chosenCount) / Double($0.expertCount) }
            default: break
            }
        }
        let stored = try SafetensorsFile(path: model).tensors.filter { !$0.name.hasPrefix("qnf.file/") }
        let linear = stored.reduce(0) { sum, tensor in
            // A weight's constants are named as it is, with more behind.
            let words = tensor.name.split(separator: ".", omittingEmptySubsequences: false)
            let name = words.prefix(through: words.firstIndex(of: "weight") ?? words.count - 1).joined(separator: ".")
            return sum + Double(tensor.byteCount) * (shares[name] ?? 1)
        }
        return linear + Double(description.vocabularySize * description.embeddingWidth) * 17 / 16
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
        return median(rates)
    }

    private static func median(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.sorted()[values.count / 2] }

    private static func text(_ value: Double) -> String { NumberText.significant(value, digits: 3) }

    private static func ratio(_ value: Double) -> String { NumberText.fixed(value, decimals: 2) + "x" }

    private func row(_ title: String, _ cells: String...) -> String {
        func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
        return title + String(repeating: " ", count: max(0, 18 - title.count)) + zip(cells, [11, 11, 10, 9, 9, 10]).map(padded).joined()
    }
}
