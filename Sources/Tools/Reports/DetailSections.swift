import Checkpoints
import CommandLineKit
import Comparison
import Inspection
import JSONText
import TensorCore

/// What belongs to a model beside its weights: configuration and companion files.
struct FilesSection {
    let content: ReportContent

    private static let limit = 100
    private static let textLimit = 200

    var html: HTML {
        .tag("section", ["id": "files"], [.tag("h2", [:], "What comes with it")] + files + configuration)
    }

    private var files: [HTML] {
        let files = content.checkpoint.files
        guard !files.isEmpty else { return [.tag("p", [:], "No configuration, no tokenizer: weights alone.")] }
        let rows = files.prefix(Self.limit).map { HTML.row(.name($0.name), cells: [NumberText.grouped($0.byteCount)]) }
        let total = HTML.row(
            "\(files.count) file\(files.count == 1 ? "" : "s")", cells: [NumberText.grouped(files.reduce(0) { $0 + $1.byteCount })])
        return [.table(nil, ["file", "bytes"], Array(rows), total: total)]
    }

    /// The simple values of config.json.
    private var configuration: [HTML] {
        let members = content.checkpoint.config?.object?.members ?? []
        let terms = members.compactMap { member -> (name: String, value: HTML)? in
            switch member.value {
            case .string(let text): (member.key, .name(String(text.prefix(Self.textLimit))))
            case .number(let number): (member.key, .text(number.literal))
            case .bool(let flag): (member.key, .text(flag ? "true" : "false"))
            case .null, .array, .object: nil
            }
        }
        guard !terms.isEmpty else { return [] }
        return [.folded("config.json", .terms(Array(terms.prefix(Self.limit))))]
    }
}

/// Every tensor, or as many as a page can bear.
struct TensorSection {
    let content: ReportContent

    private static let limit = 2000

    var html: HTML {
        let rows = content.listing.rows
        let errors = errors
        let cells = rows.prefix(Self.limit).map { row in
            HTML.row(
                .name(row.name),
                cells: [
                    row.shape.description, row.typeName, NumberText.grouped(row.byteCount),
                    row.bitsPerElement.map { NumberText.fixed($0, decimals: 2) } ?? "-",
                ] + (content.comparison == nil ? [] : [errors[row.name] ?? "-"]))
        }
        let titles = ["tensor", "shape", "type", "bytes", "bits/weight"] + (content.comparison == nil ? [] : ["relative error"])
        let rest: [HTML] =
            rows.count > Self.limit
            ? [
                .tag(
                    "p", ["class": "note"], "The first \(NumberText.grouped(Self.limit)) of \(NumberText.grouped(rows.count)); ",
                    .tag("code", [:], "qinspect layers"), " lists all.")
            ] : []
        return .tag(
            "section", ["id": "tensors"],
            [
                .tag("h2", [:], "Every tensor"),
                .folded("\(NumberText.grouped(rows.count)) tensors", [.table(nil, titles, Array(cells))] + rest),
            ])
    }

    private var errors: [String: String] {
        Dictionary(
            (content.comparison?.rows ?? []).map { row in
                (row.second.name, row.hasEqualValues ? "0" : row.relativeRMSE.map { NumberText.significant($0, digits: 4) } ?? "-")
            }, uniquingKeysWith: { first, _ in first })
    }
}
