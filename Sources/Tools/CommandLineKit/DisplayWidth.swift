extension String {
    /// How many terminal columns the text takes: two for East Asian wide characters and emoji, none for combining marks.
    ///
    /// Terminals disagree about newer emoji; this follows what most do, and aligned columns are all that depends on it.
    package var displayWidth: Int {
        // Nearly every name is ASCII, and listings have many of them.
        if utf8.allSatisfy({ $0 < 0x80 }) { return utf8.count }
        return reduce(0) { $0 + $1.displayWidth }
    }

    /// Padded with spaces on the right to `width` columns.
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - displayWidth))
    }

    /// Cut in the middle so that it fits: the ends of a tensor's name tell more than its middle. At least one column.
    package func middleTruncated(to width: Int) -> String {
        guard displayWidth > width else { return self }
        guard width > 1 else { return "…" }
        let tailWidth = (width - 1) / 2
        let tail = Self.fitting(reversed(), into: tailWidth).reversed()
        let head = Self.fitting(self, into: width - 1 - tailWidth)
        return String(head) + "…" + String(tail)
    }

    /// Cut at the end so that it fits.
    package func truncated(to width: Int) -> String {
        guard displayWidth > width else { return self }
        return width < 1 ? "" : String(Self.fitting(self, into: width - 1)) + "…"
    }

    private static func fitting(_ characters: some Sequence<Character>, into width: Int) -> [Character] {
        var used = 0
        return Array(
            characters.prefix { character in
                used += character.displayWidth
                return used <= width
            })
    }
}

extension Character {
    /// The width of the widest scalar: what combines with a base takes no room of its own.
    var displayWidth: Int {
        unicodeScalars.reduce(0) { max($0, $1.displayWidth) }
    }
}

extension Unicode.Scalar {
    /// Blocks that are Wide or Fullwidth in Unicode's EastAsianWidth.txt, joined where only unassigned points lie between.
    private static let wideBlocks: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97F,
        0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
        0x1F1E6...0x1F1FF, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
    ]

    fileprivate var displayWidth: Int {
        if value < 0x300 { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return Self.wideBlocks.contains { $0.contains(value) } ? 2 : 1
        }
    }
}
