import ByteIO
import CommandLineKit
import JSONText

/// A table of whole processes, each measured in turn with its yardstick and printed beside its target.
struct ProcessTable {
    private let name: String
    private let binaries: String
    private let folder: String
    private let memoryTarget: Int
    private let results: BenchmarkResults
    let runCount = 5

    /// - Parameters:
    ///   - name: of the table in the results.
    ///   - binaries: folder of the tools.
    ///   - folder: where files to measure on are kept.
    ///   - memoryTarget: bytes that a process may have at its peak.
    init(_ name: String, binaries: String, folder: String, memoryTarget: Int, results: BenchmarkResults) {
        self.name = name
        self.results = results
        self.binaries = binaries
        self.folder = folder
        self.memoryTarget = memoryTarget
    }

    func makeFolder() throws { _ = try Process(["mkdir", "-p", folder]) }

    func printHead() { print(row("", "seconds", "yardstick", "ratio", "target", "memory")) }

    func path(_ name: String) -> String { FilePath.join(folder, name) }

    func tool(_ name: String, _ words: String...) -> [String] { [FilePath.join(binaries, name)] + words }

    func remove(_ path: String) throws { _ = try Process(["rm", "-rf", path]) }

    /// A tool and its yardstick in turn, after one uncounted run of both.
    ///
    /// - Parameters:
    ///   - output: what the tool writes; it and the copy of the yardstick are removed before each run. To free the memory of
    ///     the file that is replaced would take about half as long as to write it.
    ///   - target: nil where the figure is for information.
    func compare(
        _ title: String, _ command: [String], writing output: String? = nil, ratio target: Double?, yardstick: () -> [[String]]
    ) throws {
        var ours: [Process] = []
        var theirs: [Double] = []
        for _ in 0...runCount {
            try prepare(output)
            ours.append(try Process(command))
            try prepare(path("copy"))
            theirs.append(try yardstick().reduce(0) { $0 + (try Process($1).seconds) })
        }
        try remove(path("copy"))
        let ratios = zip(ours, theirs).dropFirst().map { $0.seconds / $1 }
        note(title, ours, ["yardstick_seconds": .double(median(theirs.dropFirst().map { $0 })), "ratio": .double(median(ratios))])
        print(
            row(
                title, seconds(median(ours.dropFirst().map(\.seconds))), seconds(median(theirs.dropFirst().map { $0 })),
                NumberText.fixed(median(ratios), decimals: 2), target.map { "<= \(NumberText.significant($0, digits: 2))" } ?? "",
                memoryText(ours)))
    }

    /// A tool alone, after one uncounted run.
    ///
    /// - Parameters:
    ///   - output: what the tool writes; it is removed before each run.
    ///   - target: nil where the figure is for information.
    ///   - showsMemory: whether memory, too, has its target.
    func measure(
        _ title: String, _ command: [String], writing output: String? = nil, seconds target: Double?, showsMemory: Bool = true
    ) throws {
        let runs = try (0...runCount).map { _ in
            try prepare(output)
            return try Process(command)
        }
        note(title, runs)
        print(
            row(
                title, seconds(median(runs.dropFirst().map(\.seconds))), "", "", target.map { "<= \(seconds($0))" } ?? "",
                showsMemory ? memoryText(runs) : ""))
    }

    private func note(_ title: String, _ runs: [Process], _ more: [String: JSONValue] = [:]) {
        let own: [String: JSONValue] = [
            "seconds": .double(median(runs.dropFirst().map(\.seconds))), "peak_memory": .integer(runs.map(\.peakMemory).max() ?? 0),
        ]
        results.add(table: name, title: title, own.merging(more) { own, _ in own })
    }

    /// Removes what a run is going to write, and leaves the disk nothing to do for what earlier ones wrote.
    private func prepare(_ output: String?) throws {
        guard let output else { return }
        try remove(output)
        _ = try Process(["sync"])
    }

    private func memoryText(_ runs: [Process]) -> String {
        "\(NumberText.byteCount(runs.map(\.peakMemory).max() ?? 0)) <= \(NumberText.byteCount(memoryTarget))"
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
