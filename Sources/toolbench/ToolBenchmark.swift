import ByteIO
import CommandLineKit

/// The table of whole-process figures, each beside its target.
struct ToolBenchmark {
    private let binaries: String
    private let folder: String
    private let runCount = 5

    init(binaries: String, folder: String) {
        self.binaries = binaries
        self.folder = folder
    }

    func run() throws {
        if FilePath.kind(of: folder) == .missing { _ = try Process(["mkdir", "-p", folder]) }
        let (model, quantized, many) = (path("model.safetensors"), path("model.qnf"), path("many.safetensors"))
        try BenchmarkModel.write(BenchmarkModel.tinyLlama(), to: model)
        try BenchmarkModel.write(BenchmarkModel.manySmall(), to: many)
        print("TinyLlama-1.1B shapes, bf16, \(NumberText.byteCount(try InputFile(path: model).byteCount)); files in the page cache;")
        print("medians of \(runCount) runs, each paired with its yardstick in turn; ratios are medians of the pairs' ratios\n")
        print(row("", "seconds", "yardstick", "ratio", "target", "memory"))
        try compare("qconvert to-nf4, against cp", tool("qconvert", "to-nf4", model, "-o", quantized, "-f"), ratio: 1, memory: 256 << 20) {
            [["cp", model, path("copy")]]
        }
        let dense = path("dense.safetensors")
        try compare(
            "qconvert to-safetensors, cat + cp", tool("qconvert", "to-safetensors", quantized, "-o", dense, "-f"), ratio: 1.5,
            memory: 256 << 20
        ) { [["cat", quantized], ["cp", dense, path("copy")]] }
        try compare("qverify roundtrip, cat", tool("qverify", "roundtrip", model, quantized), ratio: 1.5, memory: 256 << 20) {
            [["cat", model, quantized]]
        }
        try compare("qinspect check, cat", tool("qinspect", "check", quantized), ratio: 1.5, memory: 256 << 20) { [["cat", quantized]] }
        try compare("qinspect check of bf16, cat", tool("qinspect", "check", model), ratio: 1.5, memory: 256 << 20) { [["cat", model]] }
        try measure("qinspect layers, 100,000 tensors", tool("qinspect", "layers", many), seconds: 0.5, memory: 256 << 20)
        try measure(
            "qconvert to-nf4, 100,000 tensors", tool("qconvert", "to-nf4", many, "-o", path("many.qnf"), "-f"), seconds: nil,
            memory: 256 << 20)
        try measure("qinspect layers of the .qnf", tool("qinspect", "layers", quantized), seconds: 0.02, memory: nil)
        for name in ["qconvert", "qinspect", "qverify"] {
            try measure("\(name) --version", tool(name, "--version"), seconds: 0.02, memory: nil)
        }
    }

    private func path(_ name: String) -> String { FilePath.join(folder, name) }

    private func tool(_ name: String, _ words: String...) -> [String] { [FilePath.join(binaries, name)] + words }

    /// A tool and its yardstick in turn, after one uncounted run of both.
    private func compare(
        _ title: String, _ command: [String], ratio target: Double, memory: Int, yardstick: () -> [[String]]
    ) throws {
        var ours: [Process] = []
        var theirs: [Double] = []
        for _ in 0...runCount {
            ours.append(try Process(command))
            theirs.append(try yardstick().reduce(0) { $0 + (try Process($1).seconds) })
        }
        let ratios = zip(ours, theirs).dropFirst().map { $0.seconds / $1 }
        print(
            row(
                title, seconds(median(ours.dropFirst().map(\.seconds))), seconds(median(theirs.dropFirst().map { $0 })),
                NumberText.fixed(median(ratios), decimals: 2), "<= \(NumberText.significant(target, digits: 2))", memoryText(ours, memory)))
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
        return padded(title, 35, left: true) + zip(cells, [9, 10, 7, 10, 20]).map { padded($0, $1) }.joined()
    }
}
