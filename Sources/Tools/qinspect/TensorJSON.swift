import Checkpoints
import CommandLineKit
import Inspection
import JSONText
import ToolSupport

/// The document of `qinspect tensor --json`.
func writeTensorJSON(_ statistics: TensorStatistics, _ slice: TensorSlice?, _ checkpoint: any NamedTensors, _ console: Console) throws {
    try console.writeJSON([
        "path": .string(checkpoint.path), "tensor": .object(statisticsDocument(statistics)),
        "slice": slice.map { .object(document($0)) } ?? .null, "blocks": .array(slice?.blocks.map { .object(document($0)) } ?? []),
    ])
}

private func document(_ slice: TensorSlice) -> JSONObject {
    func range(_ range: Range<Int>) -> JSONValue { .array([.integer(range.lowerBound), .integer(range.upperBound)]) }
    let values: [JSONValue] =
        switch slice.values {
        case .real(let values): values.map(exact)
        case .integer(let values): values.map(integer)
        case .complex(let values): values.map { .array([exact($0.0), exact($0.1)]) }
        }
    let width = slice.columns.count
    let rows = slice.rows.indices.map { row -> JSONValue in
        let start = (row - slice.rows.lowerBound) * width
        return .array(Array(values[start..<start + width]))
    }
    return JSONObject([
        "index": .array(slice.leading.map { .integer($0) }), "rows": range(slice.rows), "columns": range(slice.columns),
        "values": .array(rows),
    ])
}

private func document(_ block: TensorSlice.Block) -> JSONObject {
    JSONObject([
        "block": .integer(block.number), "first": .array(block.firstPlace.map { .integer($0) }),
        "last": .array(block.lastPlace.map { .integer($0) }), "absmax": exact(Double(block.absmax)),
        "absmax_code": block.nestedCode.map { .integer(Int($0)) } ?? .null,
        "codes": .string(block.codes.map { String($0, radix: 16) }.joined()), "values": .array(block.values.map { exact(Double($0)) }),
    ])
}

/// A number; the word that Python's `float` reads where JSON has no spelling for it.
private func exact(_ value: Double) -> JSONValue {
    value.isFinite ? .double(value) : .string(value.isNaN ? "nan" : value < 0 ? "-inf" : "inf")
}
