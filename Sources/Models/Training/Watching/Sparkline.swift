/// A curve as one line of text, eight heights.
package enum Sparkline {
    private static let heights = Array("▁▂▃▄▅▆▇█")

    /// - Parameter width: characters at most; values beyond that are averaged in groups.
    package static func text(_ values: [Double], width: Int) -> String {
        let finite = values.filter(\.isFinite)
        guard width > 0, !finite.isEmpty else { return "" }
        let columns = min(width, finite.count)
        let means = (0..<columns).map { column in
            let range = column * finite.count / columns..<(column + 1) * finite.count / columns
            return finite[range].reduce(0, +) / Double(range.count)
        }
        guard let low = means.min(), let high = means.max(), high > low else { return String(repeating: "▄", count: columns) }
        return String(means.map { heights[min(7, Int(($0 - low) / (high - low) * 8))] })
    }
}
