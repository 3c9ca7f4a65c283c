import CommandLineKit
import Inspection

/// The elements of a slice in rows and columns, with their indices around them.
struct SliceText {
    let text: String

    /// - Parameters:
    ///   - rank: dimensions of the tensor.
    ///   - width: columns of the terminal; a slice that is wider is shown in parts. Nil for no limit.
    init(_ slice: TensorSlice, rank: Int, width: Int?) {
        let cells = Self.cells(slice.values)
        var text = Self.title(slice, rank: rank) + "\n"
        guard !cells.isEmpty else {
            self.text = text
            return
        }
        let cellWidth = max(cells.reduce(0) { max($0, $1.count) }, String(slice.columns.upperBound - 1).count) + 1
        let labelWidth = rank > 1 ? String(slice.rows.upperBound - 1).count : 0
        let perPart = width.map { max(1, ($0 - labelWidth) / cellWidth) } ?? slice.columns.count
        for first in stride(from: 0, to: slice.columns.count, by: perPart) {
            let part = first..<min(first + perPart, slice.columns.count)
            if rank > 0 {
                text +=
                    Self.padded("", labelWidth) + part.map { Self.padded(String(slice.columns.lowerBound + $0), cellWidth) }.joined() + "\n"
            }
            for (row, index) in slice.rows.enumerated() {
                text += Self.padded(rank > 1 ? String(index) : "", labelWidth)
                text += part.map { Self.padded(cells[row * slice.columns.count + $0], cellWidth) }.joined() + "\n"
            }
        }
        self.text = text
    }

    private static func title(_ slice: TensorSlice, rank: Int) -> String {
        if rank == 0 { return "value" }
        let columns = "\(slice.columns.lowerBound):\(slice.columns.upperBound)"
        if rank == 1 { return "elements \(columns)" }
        let matrix = "rows \(slice.rows.lowerBound):\(slice.rows.upperBound), columns \(columns)"
        return slice.leading.isEmpty ? matrix : "index \(slice.leading.map(String.init).joined(separator: ",")), \(matrix)"
    }

    private static func cells(_ values: ElementValues) -> [String] {
        switch values {
        case .integer(let values): return values.map(\.description)
        case .real(let values):
            let format = NumberFormat(fitting: values, width: 8)
            return values.map(format.text)
        case .complex(let values):
            return values.map {
                "\(numberText($0.0, digits: 3))\($0.1.sign == .minus ? "-" : "+")\(numberText($0.1.magnitude, digits: 3))i"
            }
        }
    }

    static func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
}

/// A block of a 4-bit tensor taken apart: its constant, its codes and what they stand for, eight in a line.
struct BlockText {
    let text: String

    /// Elements that are shown of a longer block.
    private static let limit = 64

    init(_ block: TensorSlice.Block) {
        var text = "block \(NumberText.grouped(block.number)), elements \(block.firstPlace) to \(block.lastPlace): "
        text += "absmax \(numberText(Double(block.absmax), digits: 6))\(block.nestedCode.map { " (8-bit code \($0))" } ?? "")\n"
        let shown = min(block.codes.count, Self.limit)
        let format = NumberFormat(fitting: block.values.map(Double.init), width: 7)
        for start in stride(from: 0, to: shown, by: 8) {
            let places = start..<min(start + 8, shown)
            let codes = places.map { String(block.codes[$0], radix: 16) }.joined()
            text += SliceText.padded(String(start), 4) + "  " + codes + String(repeating: " ", count: 8 - places.count)
            text += places.map { SliceText.padded(format.text(Double(block.values[$0])), 8) }.joined() + "\n"
        }
        if shown < block.codes.count { text += "      and \(NumberText.grouped(block.codes.count - shown)) more\n" }
        self.text = text
    }
}
