import CommandLineKit
import Inspection

/// The layers of a model as rows of a chart: one each, or several together where there are too many to look at.
struct LayerBands {
    struct Band {
        /// `3`, or `8–15`; the whole name where layers are not all counted alike.
        let label: String
        let layers: [String]
    }

    /// Rows that a chart has at most.
    static let limit = 128

    let bands: [Band]
    /// What the numbers count: `model.layers`; nil where labels are whole names.
    let prefix: String?
    private let positions: [String: Int]

    /// - Parameter layers: names of layers in their order, each once.
    init(_ layers: [String]) {
        let split = layers.map(Self.split)
        let prefix = Set(split.map(\.prefix)).count == 1 ? split.first?.prefix : nil
        let step = max(1, (layers.count + Self.limit - 1) / Self.limit)
        bands = stride(from: 0, to: layers.count, by: step).map { start in
            let range = start..<min(start + step, layers.count)
            let labels = range.map { prefix == nil ? layers[$0] : split[$0].number }
            let ends = range.count == 1 ? [labels[0]] : [labels[0], labels[range.count - 1]]
            return Band(label: ends.joined(separator: "–"), layers: Array(layers[range]))
        }
        self.prefix = prefix.map { $0.hasSuffix(".") || $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        var positions: [String: Int] = [:]
        for (index, band) in bands.enumerated() { for layer in band.layers { positions[layer] = index } }
        self.positions = positions
    }

    /// Index of the band that a layer belongs to.
    func index(ofLayer layer: String) -> Int? { positions[layer] }

    /// What a band is called in a sentence: `layer 3`, `layers 8–15`.
    func description(of index: Int) -> String {
        guard prefix != nil else { return bands[index].label }
        return "layer\(bands[index].layers.count == 1 ? "" : "s") \(bands[index].label)"
    }

    private static func split(_ layer: String) -> (prefix: String, number: String) {
        let digits = layer.reversed().prefix { $0.isASCII && $0.isNumber }
        return (String(layer.dropLast(digits.count)), String(digits.reversed()))
    }
}
