import CommandLineKit
import Inspection
import Quantization

/// Pictures out of characters.
enum Drawing {
    /// Longest bar.
    private static let barWidth = 40

    /// A bar of eighths of a character; anything but nothing shows at least one of them.
    static func bar(_ count: UInt64, of largest: UInt64, width: Int = barWidth) -> String {
        guard count > 0, largest > 0 else { return "" }
        let eighths = max(1, Int((Double(count) / Double(largest) * Double(8 * width)).rounded()))
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    }

    /// A line for each bin: its ends, how many elements, and a bar.
    static func table(_ histogram: Histogram) -> Table {
        var table = Table([.init("from", .decimal), .init("to", .decimal), .init("elements", .right), .init("")])
        let largest = histogram.counts.max() ?? 0
        let format = NumberFormat(fitting: [histogram.range.lowerBound, histogram.range.upperBound], width: 8)
        for (bin, count) in histogram.counts.enumerated() {
            table.addRow([
                .init(format.text(histogram.edge(bin))), .init(format.text(histogram.edge(bin + 1))), .init(NumberText.grouped(Int(count))),
                .init(bar(count, of: largest)),
            ])
        }
        return table
    }

    /// A line for each code: what it stands for, how often it occurs, and a bar.
    static func table(_ blocks: BlockStatistics) -> Table {
        var table = Table([.init("code"), .init("value", .right), .init("elements", .right), .init("share", .right), .init("")])
        let largest = blocks.codeCounts.max() ?? 0, total = blocks.codeCounts.reduce(0, +)
        let format = NumberFormat(fitting: blocks.codebook.map(Double.init), width: 8)
        for (code, count) in blocks.codeCounts.enumerated() {
            table.addRow([
                .init(String(code, radix: 16)), .init(format.text(Double(blocks.codebook[code]))), .init(NumberText.grouped(Int(count))),
                .init(shareText(Int(count), of: Int(total))), .init(bar(count, of: largest)),
            ])
        }
        return table
    }
}

/// One way to write several numbers, so that they can be compared at a glance.
struct NumberFormat {
    private enum Kind {
        case fixed(decimals: Int)
        case significant(digits: Int)
    }

    private let kind: Kind

    /// As many decimals as fit `width` characters, sign included; digits and exponents where the numbers are too large or all
    /// so small that fewer than two digits would be left.
    init(fitting values: some Sequence<Double>, width: Int) {
        let largest = values.reduce(0) { $1.isFinite ? max($0, $1.magnitude) : $0 }
        var decimals = width - 3
        var limit = 9.999
        while largest > limit, decimals > 0 {
            decimals -= 1
            limit *= 10
        }
        let isTooSmall = largest > 0 && NumberText.fixed(largest, decimals: decimals - 1).allSatisfy { "0.".contains($0) }
        kind = decimals == 0 || isTooSmall ? .significant(digits: width - 6) : .fixed(decimals: decimals)
    }

    func text(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
        switch kind {
        case .fixed(let decimals): return NumberText.fixed(value, decimals: decimals)
        case .significant(let digits): return NumberText.significant(value, digits: digits)
        }
    }
}
