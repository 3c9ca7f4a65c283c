import Architectures
import CommandLineKit

/// A model's description in words, in lines of at most 80 columns.
struct ArchitectureText {
    private let model: ModelDescription

    init(_ model: ModelDescription) { self.model = model }

    typealias Row = (name: String, text: String)

    var table: Table {
        var table = Table([.init(""), .init("")])
        table.addGroup(["model"])
        for row in rows { table.addRow([.init(row.name), .init(row.text)]) }
        for kind in model.layerKinds {
            table.addGroup([.init(Self.title(kind.layers, of: model.layers.count))])
            for row in LayerText(kind.description).rows { table.addRow([.init(row.name), .init(row.text)]) }
        }
        return table
    }

    private var rows: [Row] {
        var rows: [Row] = [
            ("class", model.architecture.causalClass), ("layers", Self.number(model.layers.count)), ("width", Self.number(model.width)),
            ("vocabulary", Self.number(model.vocabularySize)), ("context", Self.number(model.contextLength)), ("embedding", embedding),
            ("last norm", LayerText.words(model.finalNorm)), ("head", head), ("parameters", parameters),
        ]
        rows += cacheRows
        return rows
    }

    private var embedding: String {
        var parts: [String] = []
        if model.embeddingWidth != model.width { parts.append("\(Self.number(model.embeddingWidth)) wide, projected") }
        if model.embeddingScale != 1 { parts.append("times \(Self.number(model.embeddingScale))") }
        if model.hasLearnedPositions { parts.append("plus learned positions") }
        if let norm = model.embeddingNorm { parts.append("then \(LayerText.words(norm))") }
        return parts.isEmpty ? "as it is" : parts.joined(separator: ", ")
    }

    private var head: String {
        var parts = [model.head.isTied ? "the embedding" : "a matrix of its own"]
        if model.head.hasBias { parts.append("with a bias") }
        if model.head.scale != 1 { parts.append("times \(Self.number(model.head.scale))") }
        if let cap = model.head.cap { parts.append("capped at \(Self.number(cap))") }
        return parts.joined(separator: ", ")
    }

    private var parameters: String {
        guard let all = model.parameterCount, let active = model.activeParameterCount else { return "too many to be counted" }
        return active == all ? Self.number(all) : "\(Self.number(all)), \(Self.number(active)) for a token"
    }

    /// In 16 bits.
    private var cacheRows: [Row] {
        guard let one = model.keyValueCount(positions: 1), let full = model.keyValueCount(positions: model.contextLength), full < .max / 2
        else { return [] }
        return [
            ("keys, values", "\(NumberText.exactByteCount(2 * one)) a token in F16"),
            ("", "\(NumberText.byteCount(2 * full)) at a context of \(Self.number(model.contextLength))"),
        ]
    }

    static func number(_ value: Int) -> String { NumberText.grouped(value) }
    static func number(_ value: Float) -> String { NumberText.significant(Double(value), digits: 6) }

    /// `layers 0-4, 6-10 (10 of 12)`; of many stretches the first ones alone.
    static func title(_ numbers: [Int], of count: Int) -> String {
        var stretches: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = stretches.last, last.upperBound + 1 == number {
                stretches[stretches.count - 1] = last.lowerBound...number
            } else {
                stretches.append(number...number)
            }
        }
        let shown = stretches.prefix(6).map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        let text = shown.joined(separator: ", ") + (stretches.count > shown.count ? ", ..." : "")
        return "\(numbers.count == 1 ? "layer" : "layers") \(text) (\(numbers.count) of \(count))"
    }
}
