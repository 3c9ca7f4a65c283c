import ByteIO
import CommandLineKit

/// The table of whole-process figures, each beside its target.
struct ToolBenchmark {
    private let binaries: String
    private let folder: String
    private let runCount = 5
    private static let memoryTarget = 256 << 20

    init(binaries: String, folder: String) {
        self.binaries = binaries
        self.folder = folder
    }

    func run() throws {
        if FilePath.kind(of: folder) == .missing { _ = try Process(["mkdir", "-p", folder]) }
        let (model, quantized, many) = (path("model.safetensors"), path("model.qnf"), path("many.safetensors"))
        try RandomTensors.write(BenchmarkModel.tinyLlama.tensors, to: model)
        try RandomTensors.write(RandomTensors.manySmall(), to: many)
        print("TinyLlama-1.1B shapes, bf16, \(NumberText.byteCount(try InputFile(path: model).byteCount)); files in the page cache;")
        print("medians of \(runCount) runs, each paired with its yardstick in turn; ratios are medians of the pairs' ratios;")
        print("what is written is written to a new file; `cp` leaves bringing it to disk to later, `sync` and the tools do not\n")
        print(row("", "seconds", "yardstick", "ratio", "target", "memory"))
        let (copy, dense, folder) = (path("copy"), path("dense.safetensors"), path("dense"))
        try compare("qconvert to-nf4, cp", tool("qconvert", "to-nf4", model, "-o", quantized), writing: quantized, ratio: 1) {
            [["cp", model, copy]]
        }
        try compare("qconvert to-nf4, cp + sync", tool("qconvert", "to-nf4", model, "-o", quantized), writing: quantized, ratio: nil) {
            [["cp", model, copy], ["sync", copy]]
        }
        let toDense = tool("qconvert", "to-safetensors", quantized, "-o", dense)
        try compare("qconvert to-safetensors, cat + cp", toDense, writing: dense, ratio: 1.5) {
            [["cat", quantized], ["cp", dense, copy]]
        }
        try compare("the same, cat + cp + sync", toDense, writing: dense, ratio: nil) {
            [["cat", quantized], ["cp", dense, copy], ["sync", copy]]
        }
        let toFolder = tool("qconvert", "to-hf", "--dequantize", quantized, "-o", folder)
        try compare("qconvert to-hf --dequantize, cat + cp", toFolder, writing: folder, ratio: 1.5) {
            [["cat", quantized], ["cp", dense, copy]]
        }
        try Self.remove(folder)
        try compare("qverify roundtrip, cat", tool("qverify", "roundtrip", model, quantized), ratio: 1.5) { [["cat", model, quantized]] }
        try compare("qinspect check, cat", tool("qinspect", "check", quantized), ratio: 1.5) { [["cat", quantized]] }
        try compare("qinspect check of bf16, cat", tool("qinspect", "check", model), ratio: 1.5) { [["cat", model]] }
        try measure("qinspect layers, 100,000 tensors", tool("qinspect", "layers", many), seconds: 0.5, memory: Self.memoryTarget)
        try measure(
            "qconvert to-nf4, 100,000 tensors", tool("qconvert", "to-nf4", many, "-o", path("many.qnf"), "-f"), seconds: nil,
            memory: Self.memoryTarget)
        try measure("qinspect layers of the .qnf", tool("qinspect", "layers", quantized), seconds: 0.02, memory: nil)
        for name in ["qconvert", "qinspect", "qverify"] {
            try measure("\(name) --version", tool(name, "--version"), seconds: 0.02, memory: nil)
        }
    }

    private func path(_ name: String) -> String { FilePath.join(folder, name) }

    private func tool(_ name: String, _ words: String...) -> [String] { [FilePath.join(binaries, name)] + words }

    private static func remove(_ path: String) throws { _ = try Process(["rm", "-rf", path]) }

    /// A tool and its yardstick in turn, after one uncounted run of both.
    ///
    /// - Parameters:
    ///   - output: what the tool writes; it and the copy of the yardstick are removed before each run. To free the memory of
    ///     the file that is replaced would take about half as long as to write it.
    ///   - target: nil where the figure is for information.
    private func compare(
        _ title: String, _ command: [String], writing output: String? = nil, ratio target: Double?, yardstick: () -> [[String]]
    ) throws {
        var ours: [Process] = []
        var theirs: [Double] = []
        for _ in 0...runCount {
            if let output { try Self.remove(output) }
            ours.append(try Process(command))
            try Self.remove(path("copy"))
            theirs.append(try yardstick().reduce(0) { $0 + (try Process($1).seconds) })
        }
        try Self.remove(path("copy"))
        let ratios = zip(ours, theirs).dropFirst().map { $0.seconds / $1 }
        print(
            row(
                title, seconds(median(ours.dropFirst().map(\.seconds))), seconds(median(theirs.dropFirst().map { $0 })),
                NumberText.fixed(median(ratios), decimals: 2), target.map { "<= \(NumberText.significant($0, digits: 2))" } ?? "",
                memoryText(ours, Self.memoryTarget)))
    }

    private func measure(_ title: String, _ command: [String], seconds target: Double?, memory: Int?) throws {
        _ = try Process(command)
        let runs = try (0..<runCount).map { _ in try Process(command) }
        print(
            row(
                title, seconds(median(runs.map(\.seconds))), "", "", target.map { "<= \(seconds($0))" } ?? "",
                memory.map { memoryText(runs, $0) } ?? ""))
    }

    private func memoryText(_ runs: [Process], _ limit: Int) -> String {
        "\(NumberText.byteCount(runs.map(\.peakMemory).max() ?? 0)) <= \(NumberText.byteCount(limit))"
    }

    private func seconds(_ value: Double) -> String { NumberText.duration(seconds: value) }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func row(_ title: String, _ cells: String...) -> String {
        func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
            let space = String(repeating: " ", count: max(0, width - text.count))
            return left ? text + space : space + text
        }
        return padded(title, 39, left: true) + zip(cells, [9, 10, 7, 10, 20]).map { padded($0, $1) }.joined()
    }
}
