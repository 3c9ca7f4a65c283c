import Checkpoints
import CommandLineKit
import Comparison
import Inspection
import JSONText

/// What the model is, in a few numbers, and whether its file is whole.
struct ReportHeader {
    let content: ReportContent
    let verdicts: [Verdict]

    var html: [HTML] {
        [
            .tag("h1", [:], .name(content.name)), .tag("p", ["class": "lead"], .text(lead)),
            .tag(
                "div", ["class": "tiles"],
                tiles.map { tile in
                    .tag(
                        "div", ["class": "tile", "title": tile.exact], .tag("b", [:], .text(tile.value)),
                        .tag("span", [:], .text(tile.name)))
                }),
        ] + ([verdict] + verdicts).map(\.html)
    }

    private var lead: String {
        let packed = content.types.map(\.name).first { $0.contains("/") }
        return [content.checkpoint.architecture.modelType, content.checkpoint.kind.title, packed].compactMap { $0 }.joined(
            separator: " · ")
    }

    private var tiles: [(value: String, name: String, exact: String?)] {
        let listing = content.listing
        var tiles: [(String, String, String?)] = [
            (Self.count(listing.elementCount), "weights", NumberText.grouped(listing.elementCount)),
            (NumberText.byteCount(content.fileByteCount), "size", NumberText.exactByteCount(content.fileByteCount)),
        ]
        if listing.elementCount > 0 {
            tiles.append(
                (NumberText.fixed(8 * Double(listing.byteCount) / Double(listing.elementCount), decimals: 2), "bits per weight", nil))
        }
        tiles.append((NumberText.grouped(listing.rows.count), "tensors", nil))
        if content.layerCount > 0 { tiles.append((NumberText.grouped(content.layerCount), "layers", nil)) }
        if let report = content.comparison, let error = ErrorSum(report.rows.filter { !$0.hasEqualValues }).relativeError {
            tiles.append(
                (
                    error.isFinite ? NumberText.percent(error, decimals: 2) : "none", "error of changed weights",
                    NumberText.significant(error, digits: 6)
                ))
        }
        return tiles
    }

    private var verdict: Verdict {
        let integrity = content.integrity
        guard integrity.problems.isEmpty else {
            let count = integrity.problems.count
            return .bad(
                "Damaged", "\(Self.problems(count)); fetch or convert the file again. What its weights hold was not measured.",
                integrity.problems.map(Self.told))
        }
        guard integrity.flaws.isEmpty else {
            return .bad("Unsound", "\(Self.problems(integrity.flaws.count)). Every byte was read.", integrity.flaws.map(Self.told))
        }
        return .good("Sound", sound)
    }

    private static func told(_ finding: IntegrityReport.Finding) -> [HTML] {
        (finding.tensor.map { [.name($0), ": "] } ?? []) + [.text(finding.message)]
    }

    private var sound: String {
        let integrity = content.integrity
        let read =
            "All \(NumberText.byteCount(integrity.checkedByteCount)) of \(NumberText.grouped(integrity.tensorCount)) stored tensors were read"
        let covered =
            switch integrity.checksumCount {
            case 0: "the format keeps no checksums, so structure and finite values are all that can be checked"
            case integrity.tensorCount: "every checksum is right"
            default: "\(NumberText.grouped(integrity.checksumCount)) checksums are right"
            }
        return "\(read); \(covered)."
    }

    private static func problems(_ count: Int) -> String { "\(NumberText.grouped(count)) problem\(count == 1 ? "" : "s")" }

    /// `1.12 M`, `6.74 B`.
    private static func count(_ count: Int) -> String {
        for (unit, scale) in [("T", 1e12), ("B", 1e9), ("M", 1e6)] where Double(count) >= 0.9995 * scale {
            let value = Double(count) / scale
            return NumberText.fixed(value, decimals: value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + unit
        }
        return NumberText.grouped(count)
    }
}
