import ByteIO
import Checkpoints
import CommandLineKit
import Inspection
import JSONText
import Quantization
import TensorCore
import ToolSupport

/// The document of `qinspect stats --json`.
func writeStatisticsJSON(
    _ report: StatisticsReport, _ checkpoint: any NamedTensors, isDiffable: Bool, _ measures: RunMeasures, _ console: Console
) throws {
    let modelType = checkpoint.modelType.map(JSONValue.string) ?? .null
    let tensors = JSONValue.array(report.tensors.map { .object(statisticsDocument($0)) })
    let unreadable = JSONValue.array(
        report.unreadable.map { entry in
            .object([
                "name": .string(entry.name), "shape": .array(entry.shape.map { .integer($0) }), "type": .string(entry.typeName),
            ])
        })
    if isDiffable {
        try console.writeJSON(["model_type": modelType, "tensors": tensors, "unreadable": unreadable])
    } else {
        try console.writeJSON([
            "path": .string(checkpoint.path), "kind": .string(checkpoint.title), "model_type": modelType,
            "bytes": .integer(report.byteCount), "seconds": .double(measures.seconds), "tensors": tensors, "unreadable": unreadable,
        ])
    }
}

/// Name, shape, type and all measures of one tensor.
func statisticsDocument(_ tensor: TensorStatistics) -> JSONObject {
    var object = JSONObject([
        "name": .string(tensor.row.name), "shape": .array(tensor.row.shape.dimensions.map { .integer($0) }),
        "type": .string(tensor.row.typeName), "elements": .integer(tensor.row.shape.elementCount),
    ])
    switch tensor.elements {
    case .real(let reals): add(reals, to: &object)
    case .integer(let integers):
        object["min"] = integers.range.map { integer($0.lowerBound) } ?? .null
        object["max"] = integers.range.map { integer($0.upperBound) } ?? .null
        object["zeros"] = .integer(integers.zeroCount)
    case .complex: break
    case .damaged(let error): object["damage"] = .string(error.description)
    }
    if let blocks = tensor.blocks { object["blocks"] = .object(document(blocks)) }
    return object
}

private func add(_ reals: TensorStatistics.Reals, to object: inout JSONObject) {
    let summary = reals.summary
    let measures: KeyValuePairs = [
        "min": summary.minimum, "max": summary.maximum, "mean": summary.mean, "std": summary.standardDeviation, "absmax": summary.absmax,
    ]
    for (key, value) in measures { object[key] = number(value) }
    let counts: KeyValuePairs = [
        "zeros": summary.zeroCount, "nan": summary.nanCount, "positive_infinity": summary.positiveInfinityCount,
        "negative_infinity": summary.negativeInfinityCount, "outliers": reals.outlierCount,
    ]
    for (key, value) in counts { object[key] = .integer(value) }
    object["outlier_share"] = number(reals.outlierShare)
    if let histogram = reals.histogram {
        object["histogram"] = .object([
            "min": .double(histogram.range.lowerBound), "max": .double(histogram.range.upperBound),
            "counts": .array(histogram.counts.map { .integer(Int($0)) }),
        ])
    }
}

private func document(_ blocks: BlockStatistics) -> JSONObject {
    var percentiles = JSONObject()
    if let absmax = blocks.absmax {
        for (place, value) in zip(Percentiles.places, absmax.values) {
            percentiles[NumberText.significant(place, digits: 3)] = .double(Double(value))
        }
    }
    return JSONObject([
        "count": .integer(blocks.blockCount), "codes": .array(blocks.codeCounts.map { .integer(Int($0)) }),
        "codebook": .array(blocks.codebook.map { .double(Double($0)) }), "entropy_bits": .double(blocks.entropy),
        "zero_code_share": .double(blocks.zeroCodeShare),
        "absmax_percentiles": .object(percentiles),
    ])
}

private func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }

/// A number of any integer type that tensors have.
func integer(_ value: Int128) -> JSONValue { UInt64(exactly: value).map { .number(JSONNumber($0)) } ?? .integer(Int(value)) }
