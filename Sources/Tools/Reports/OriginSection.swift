import Checkpoints
import CommandLineKit
import JSONText

/// Where a model comes from: settings, fingerprint, and the steps that made it.
struct OriginSection {
    let metadata: QNFMetadata

    private static let stepLimit = 50
    private static let fileLimit = 12
    private static let itemLimit = 4

    var html: HTML {
        let settings = (metadata.settings.object?.members ?? []).map { member in
            (name: Self.words(member.key), value: value(member.value))
        }
        let steps = metadata.lineage.array ?? []
        let rest: [HTML] =
            steps.count > Self.stepLimit ? [.tag("p", ["class": "note"], "\(steps.count - Self.stepLimit) later steps are left out.")] : []
        return .tag(
            "section", ["id": "origin"],
            [
                .tag("h2", [:], "Where it comes from"),
                .terms([("fingerprint", .tag("code", [:], .text(metadata.fingerprint.description)))] + settings),
                .tag("h3", [:], "Steps, oldest first"), .tag("ol", ["class": "steps"], steps.prefix(Self.stepLimit).map(step)),
            ] + rest)
    }

    private func step(_ step: JSONValue) -> HTML {
        let known: Set<String> = ["step", "tool", "source"]
        let title = [step["step"]?.string, step["tool"]?.string.map { "by \($0)" }].compactMap { $0 }.joined(separator: " ")
        let others = (step.object?.members ?? []).filter { !known.contains($0.key) }.map {
            (name: Self.words($0.key), value: value($0.value))
        }
        return .tag(
            "li", [:], [.tag("b", [:], .name(title.isEmpty ? "a step" : title)), .terms(others)] + (step["source"].map(source) ?? []))
    }

    private func source(_ source: JSONValue) -> [HTML] {
        let files = source["files"]?.array ?? []
        let rows = files.prefix(Self.fileLimit).map { file in
            HTML.row(
                .name(file["name"]?.string ?? "-"),
                cells: [file["bytes"]?.integer.map(NumberText.grouped) ?? "-", Self.short(file["fingerprint"]?.string ?? "-")])
        }
        let rest = files.count > Self.fileLimit ? HTML.row("\(files.count - Self.fileLimit) more", cells: ["", ""]) : nil
        return [
            .terms([
                ("made of", .name(source["kind"]?.string ?? "-")),
                ("its fingerprint", .tag("code", [:], .name(source["fingerprint"]?.string ?? "-"))),
            ]), .table(nil, ["file", "bytes", "fingerprint"], Array(rows), total: rest),
        ]
    }

    /// A value as one would say it: lists as words, `-` where there is nothing.
    private func value(_ value: JSONValue) -> HTML {
        switch value {
        case .string(let text): return .name(text)
        case .number(let number): return .text(number.literal)
        case .bool(let flag): return flag ? "yes" : "no"
        case .array(let items) where items.isEmpty: return "none"
        case .array(let items) where items.allSatisfy { $0.string != nil }:
            let shown = items.prefix(Self.itemLimit).compactMap(\.string).joined(separator: ", ")
            return .name(items.count > Self.itemLimit ? "\(shown), and \(items.count - Self.itemLimit) more" : shown)
        default: return .tag("code", [:], .name(String(value.text(.python).prefix(500))))
        }
    }

    private static func words(_ key: String) -> String { key.split(separator: "_").joined(separator: " ") }

    /// Enough digits of a fingerprint to compare by eye.
    private static func short(_ fingerprint: String) -> String {
        fingerprint.count > 23 ? fingerprint.prefix(23) + "…" : fingerprint
    }
}
