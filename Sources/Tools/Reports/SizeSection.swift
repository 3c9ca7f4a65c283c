import CommandLineKit
import Inspection
import TensorCore

/// Where the bytes of a model are: by type, by part, and by layer.
struct SizeSection {
    let content: ReportContent

    /// Tensors outside of layers that are named each; there are a handful in real models.
    private static let outsideLimit = 12
    private static let typeLimit = 40

    var html: HTML {
        .tag("section", ["id": "sizes"], [.tag("h2", [:], "Where the bytes are"), typeBar, typeTable, parts] + layers)
    }

    private typealias Rows = [LayerListing.Row]

    private var typeBar: HTML {
        let types = content.types
        guard content.listing.byteCount > 0 else { return .tag("p", ["class": "note"], "No tensor has any bytes.") }
        return Charts.bar(
            types.enumerated().map { part($1.name, $1.rows, index: $0) },
            label: "Bytes by type: " + types.prefix(Self.typeLimit).map { "\($0.name) \(share($0.rows))" }.joined(separator: ", "))
    }

    private var typeTable: HTML {
        let rows = content.types.prefix(Self.typeLimit).enumerated().map { index, type in
            HTML.row(
                .tag("span", ["class": "swatch \(Self.style(index))"]), .text(type.name),
                cells: [NumberText.grouped(type.rows.count)] + cells(type.rows))
        }
        let total = HTML.row("all", cells: [NumberText.grouped(content.listing.rows.count)] + cells(content.listing.rows))
        return .table(
            "By type; the constants of 4-bit weights are counted in", ["type", "tensors", "weights", "bytes", "share", "bits/weight"], rows,
            total: total)
    }

    /// All layers together, and each tensor outside of them.
    private var parts: HTML {
        let inside = content.listing.rows.filter { $0.layer != nil }
        let outside = content.listing.rows.filter { $0.layer == nil }
            .sorted { ($1.byteCount, $0.name) < ($0.byteCount, $1.name) }
        var parts: [(name: HTML, rows: Rows)] = outside.prefix(Self.outsideLimit).map { (.name($0.name), [$0]) }
        if outside.count > Self.outsideLimit {
            let rest = Array(outside.dropFirst(Self.outsideLimit))
            parts.append(("\(NumberText.grouped(rest.count)) more outside of layers", rest))
        }
        if !inside.isEmpty {
            let count = content.layerCount
            parts.insert((count == 1 ? "the layer" : "all \(NumberText.grouped(count)) layers", inside), at: 0)
        }
        return .table(
            "By part", ["part", "weights", "bytes", "share", "bits/weight"], parts.map { HTML.row($0.name, cells: cells($0.rows)) })
    }

    private var layers: [HTML] {
        guard !content.bands.bands.isEmpty else { return [] }
        let bands = content.rowsByBand
        let types = content.types.map(\.name)
        let columns = bands.enumerated().map { index, rows in
            Charts.Column(
                label: content.bands.bands[index].label,
                parts: types.enumerated().compactMap { style, type in
                    let own = rows.filter { $0.typeName == type }
                    guard !own.isEmpty else { return nil }
                    return part("\(content.bands.description(of: index)), \(type)", own, index: style)
                })
        }
        let rows = bands.enumerated().map { HTML.row(.name(content.bands.bands[$0].label), cells: cells($1)) }
        let legend = types.prefix(Palette.typeCount).enumerated().map { index, type in
            HTML.tag(
                "span", [:], .tag("span", ["class": "swatch \(Self.style(index))"]),
                .text(index + 1 == Palette.typeCount && types.count > index + 1 ? "others" : type))
        }
        return [
            .tag("h3", [:], "By layer"), .tag("div", ["class": "legend"], legend),
            Charts.columns(columns, height: 150, label: "Bytes of each layer, by type") { Self.tick(Int($0)) },
            .folded(
                "The same as a table", .table(nil, [content.bands.prefix ?? "layer", "weights", "bytes", "share", "bits/weight"], rows)),
        ]
    }

    // MARK: - Numbers

    private func part(_ what: String, _ rows: Rows, index: Int) -> Charts.Part {
        let byteCount = Self.byteCount(rows)
        return Charts.Part(
            value: Double(byteCount), style: Self.style(index), title: "\(what): \(NumberText.byteCount(byteCount)), \(share(rows))")
    }

    /// Weights, bytes, share of all bytes, bits per weight.
    private func cells(_ rows: Rows) -> [String] {
        let (elementCount, byteCount) = (rows.reduce(0) { $0 + $1.shape.elementCount }, Self.byteCount(rows))
        return [
            NumberText.grouped(elementCount), NumberText.grouped(byteCount), share(rows),
            elementCount == 0 ? "-" : NumberText.fixed(8 * Double(byteCount) / Double(elementCount), decimals: 2),
        ]
    }

    private func share(_ rows: Rows) -> String {
        NumberText.percent(Double(Self.byteCount(rows)) / Double(max(1, content.listing.byteCount)), decimals: 1)
    }

    /// `50 kB` rather than `50.0 kB`.
    private static func tick(_ byteCount: Int) -> String {
        let parts = NumberText.byteCount(byteCount).split(separator: " ").map(String.init)
        return ([NumberText.trimmed(parts[0])] + parts.dropFirst()).joined(separator: " ")
    }

    private static func byteCount(_ rows: Rows) -> Int { rows.reduce(0) { $0 + $1.byteCount } }

    private static func style(_ index: Int) -> String { "type-\(min(index, Palette.typeCount - 1))" }
}
