import ByteIO
import CommandLineKit
import JSONText

/// What was measured, on which machine, as one JSON document.
///
/// The machine is what `qinspect doctor` of the measured tools says: version, commit, processor, instructions, memory.
final class BenchmarkResults {
    let machine: JSONObject
    private var rows: [JSONValue] = []

    /// - Parameters:
    ///   - binaries: folder of the tools.
    ///   - folder: scratch, which is made where it is missing.
    init(binaries: String, folder: String) throws {
        _ = try Process(["mkdir", "-p", folder])
        let output = FilePath.join(folder, "doctor.json")
        _ = try Process([FilePath.join(binaries, "qinspect"), "doctor", "--json"], output: output)
        let document = try JSONValue(parsing: try InputFile(path: output).allBytes(limit: 1 << 20))
        var machine = document.object ?? JSONObject()
        for name in ["schema", "kernels", "ok", "seconds"] { machine[name] = nil }
        self.machine = machine
    }

    /// The instructions that kernels are chosen by, such as `AVX2`.
    var level: String { machine["instructions"]?.string ?? "unknown" }

    /// Notes a line of a table; `level` is added to it.
    func add(table: String, title: String, _ values: [String: JSONValue]) {
        var row = JSONObject(["table": .string(table), "title": .string(title), "level": .string(level)])
        for (name, value) in values.sorted(by: { $0.key < $1.key }) { row[name] = value }
        rows.append(.object(row))
    }

    func write(to path: String) throws {
        let document = JSONObject(["schema": .integer(1), "machine": .object(machine), "results": .array(rows)])
        try BenchmarkModel.write(JSONValue.object(document).text(.indented) + "\n", to: path)
    }
}
