/// Rows of text under a header, aligned for the eye. Cells are made safe for terminals here,
/// so names from files can go in as they are.
package struct Table: Sendable {
    package enum Alignment: Sendable {
        case left, right
        /// Decimal points under each other; what has none ends where they stand.
        case decimal
    }

    package struct Column: Sendable {
        let title: String
        let alignment: Alignment
        /// Whether long cells lose their middle where the terminal is too narrow.
        let canShrink: Bool

        package init(_ title: String, _ alignment: Alignment = .left, canShrink: Bool = false) {
            self.title = title
            self.alignment = alignment
            self.canShrink = canShrink
        }
    }

    package struct Cell: Sendable, ExpressibleByStringInterpolation {
        let text: String
        let emphasis: Style.Emphasis

        package init(_ text: String, _ emphasis: Style.Emphasis = .plain) {
            self.text = text.terminalSafe
            self.emphasis = emphasis
        }

        fileprivate init(safe text: String, _ emphasis: Style.Emphasis) {
            self.text = text
            self.emphasis = emphasis
        }

        package init(stringLiteral text: String) {
            self.init(text)
        }
    }

    private enum Row {
        case plain([Cell])
        /// A heading over the rows that follow; a single cell may be wider than its column.
        case group([Cell])
        /// Set off by a rule.
        case total([Cell])

        var cells: [Cell] {
            switch self {
            case .plain(let cells), .group(let cells), .total(let cells): cells
            }
        }
    }

    /// How wide a column is, and how much of that stands left of the decimal point.
    private struct Measure {
        var width = 0
        var whole = 0
    }

    private static let gap = 2
    private static let indent = 2
    /// Nothing shorter tells two names apart.
    private static let narrowest = 8

    private let columns: [Column]
    private var rows: [Row] = []
    private var hasGroups = false

    package init(_ columns: [Column]) {
        precondition(!columns.isEmpty, "a table without columns")
        self.columns = columns
    }

    /// Cells may be missing at the end. Under a group the row is indented.
    package mutating func addRow(_ cells: [Cell]) {
        precondition(cells.count <= columns.count, "more cells than columns")
        guard hasGroups, let first = cells.first else { return rows.append(.plain(cells)) }
        var indented = cells
        indented[0] = Cell(safe: String(repeating: " ", count: Self.indent) + first.text, first.emphasis)
        rows.append(.plain(indented))
    }

    package mutating func addGroup(_ cells: [Cell]) {
        precondition((1...columns.count).contains(cells.count), "no cells, or more than columns")
        hasGroups = true
        rows.append(.group(cells))
    }

    package mutating func addTotal(_ cells: [Cell]) {
        precondition((1...columns.count).contains(cells.count), "no cells, or more than columns")
        rows.append(.total(cells))
    }

    /// The whole table, one line per row, without spaces at line ends.
    ///
    /// - Parameter width: columns of the terminal; nil for no limit, and then nothing is ever cut.
    package func text(width: Int?, style: Style) -> String {
        let measures = fitted(measured(), to: width)
        var text = ""
        let titles = columns.map { Cell($0.title, .bold) }
        if columns.contains(where: { !$0.title.isEmpty }) {
            text += line(titles, measures, style, isHeader: true)
        }
        for row in rows {
            switch row {
            case .plain(let cells):
                text += line(cells, measures, style)
            case .group(let cells) where cells.count == 1:
                text += style.bold(width.map(cells[0].text.middleTruncated) ?? cells[0].text) + "\n"
            case .group(let cells):
                text += line(cells.map { Cell($0.text, .bold) }, measures, style)
            case .total(let cells):
                text += rule(cells, measures, style) + line(cells, measures, style)
            }
        }
        return text
    }

    private func measured() -> [Measure] {
        columns.indices.map { index in
            let column = columns[index]
            var measure = Measure()
            var fraction = 0
            for row in rows {
                if case .group(let cells) = row, cells.count == 1 { continue }
                guard index < row.cells.count else { continue }
                let text = row.cells[index].text
                if column.alignment == .decimal {
                    let whole = Self.whole(text)
                    measure.whole = max(measure.whole, whole)
                    fraction = max(fraction, text.displayWidth - whole)
                } else {
                    measure.width = max(measure.width, text.displayWidth)
                }
            }
            if column.alignment == .decimal { measure.width = measure.whole + fraction }
            let title = column.title.displayWidth
            // A wide title moves the decimal points right, so that numbers stay under its end.
            if title > measure.width {
                measure.whole += title - measure.width
                measure.width = title
            }
            return measure
        }
    }

    /// Takes columns from the widest that can shrink until the line fits, or none can.
    private func fitted(_ measures: [Measure], to width: Int?) -> [Measure] {
        guard let width else { return measures }
        var fitted = measures
        var excess = measures.reduce(0) { $0 + $1.width } + Self.gap * (columns.count - 1) - width
        while excess > 0 {
            let candidates = columns.indices.filter { columns[$0].canShrink && fitted[$0].width > Self.narrowest }
            guard let widest = candidates.max(by: { fitted[$0].width < fitted[$1].width }) else { break }
            fitted[widest].width -= 1
            excess -= 1
        }
        return fitted
    }

    private func line(_ cells: [Cell], _ measures: [Measure], _ style: Style, isHeader: Bool = false) -> String {
        var line = ""
        var pending = 0
        for (index, cell) in cells.enumerated() {
            let measure = measures[index]
            let text = columns[index].canShrink ? cell.text.middleTruncated(to: measure.width) : cell.text
            let space = max(0, measure.width - text.displayWidth)
            let left: Int
            switch columns[index].alignment {
            case .left: left = 0
            case .right: left = space
            case .decimal:
                // Dashes and words have no point and may be as wide as the column.
                left = isHeader ? space : max(0, min(space, measure.whole - Self.whole(text)))
            }
            if !text.isEmpty {
                line += String(repeating: " ", count: pending + left) + style.apply(cell.emphasis, text)
                pending = space - left + Self.gap
            } else {
                pending += measure.width + Self.gap
            }
        }
        return line + "\n"
    }

    /// Dashes over the columns that the total fills.
    private func rule(_ cells: [Cell], _ measures: [Measure], _ style: Style) -> String {
        let dashes = cells.enumerated().map { index, cell in
            Cell(cell.text.isEmpty ? "" : String(repeating: "-", count: measures[index].width), .dim)
        }
        return line(dashes, measures, style)
    }

    /// Columns left of the decimal point.
    private static func whole(_ text: String) -> Int {
        guard let point = text.utf8.firstIndex(of: UInt8(ascii: ".")) else { return text.displayWidth }
        return String(text[..<point]).displayWidth
    }
}
