import ByteIO
import TensorCore

/// Which elements of a weight [out, in] share a scale, by the shape of its scales.
struct ScaleGrid {
    let groupsPerRow: Int
    /// Rows that share scales.
    let rowsPerEntry: Int
    /// Columns that share scales.
    let groupSize: Int
    /// `128`, `row`, `tensor`, `128x128`.
    let name: String

    /// - Parameters:
    ///   - dimensions: of the scales: [] or [1] for all, [out] or [out, 1] for a row, [out, groups], [block rows, block columns].
    ///   - bits: of the codes, where a scheme of so many is meant.
    /// - Throws: where they fit the weight in no way, or in several.
    init(
        _ dimensions: [Int], rows: Int, columns: Int, bits: Int?, _ schemes: CompressedTensorsSchemes,
        refuse: (String) -> FileError
    ) throws(FileError) {
        switch dimensions {
        case [], [1], [1, 1]:
            self.init(groupsPerRow: 1, rowsPerEntry: rows, groupSize: columns, name: "tensor")
        case [rows], [rows, 1]: self.init(groupsPerRow: 1, rowsPerEntry: 1, groupSize: columns, name: "row")
        default:
            guard dimensions.count == 2, dimensions[0] > 0, dimensions[1] > 0 else {
                throw refuse("has shape \(dimensions), which is none of scales of a weight [\(rows), \(columns)]")
            }
            guard dimensions[0] == rows else {
                self = try Self.blocks(dimensions, rows: rows, columns: columns, bits: bits, schemes, refuse: refuse)
                return
            }
            let size = try Self.groupSize(dimensions[1], rows: rows, columns: columns, bits: bits, schemes, refuse: refuse)
            self.init(groupsPerRow: dimensions[1], rowsPerEntry: 1, groupSize: size, name: "\(size)")
        }
    }

    private init(groupsPerRow: Int, rowsPerEntry: Int, groupSize: Int, name: String) {
        self.groupsPerRow = groupsPerRow
        self.rowsPerEntry = rowsPerEntry
        self.groupSize = groupSize
        self.name = name
    }

    /// The number of pieces of a length; the last may be shorter.
    static func count(_ length: Int, by size: Int) -> Int { length / size + (length % size == 0 ? 0 : 1) }

    /// Columns of a group: as stated, where what is stated makes so many groups.
    private static func groupSize(
        _ groups: Int, rows: Int, columns: Int, bits: Int?, _ schemes: CompressedTensorsSchemes, refuse: (String) -> FileError
    ) throws(FileError) -> Int {
        let stated = schemes.groupSizes(bits: bits), fitting = stated.filter { count(columns, by: $0) == groups }
        if fitting.count == 1, let size = fitting.first { return size }
        guard fitting.isEmpty else {
            let sizes = fitting.sorted().map(String.init).joined(separator: " and ")
            throw refuse("has \(groups) groups in \(columns) columns, but groups of \(sizes) are stated, and either would fit")
        }
        guard stated.isEmpty, columns % groups == 0 else {
            let sizes = stated.sorted().map(String.init).joined(separator: " or ")
            throw refuse(
                "has \(groups) groups in \(columns) columns" + (stated.isEmpty ? ", which are no equal ones" : ", not groups of \(sizes)"))
        }
        return columns / groups
    }

    private static func blocks(
        _ dimensions: [Int], rows: Int, columns: Int, bits: Int?, _ schemes: CompressedTensorsSchemes, refuse: (String) -> FileError
    ) throws(FileError) -> ScaleGrid {
        let fitting = schemes.blocks(bits: bits).filter {
            count(rows, by: $0.rows) == dimensions[0] && count(columns, by: $0.columns) == dimensions[1]
        }
        guard let block = fitting.first, fitting.allSatisfy({ $0 == block }) else {
            throw refuse(
                "has shape \(dimensions), which is none of scales of a weight [\(rows), \(columns)]: neither of a row or its groups nor of "
                    + "blocks that config.json states")
        }
        return ScaleGrid(
            groupsPerRow: dimensions[1], rowsPerEntry: block.rows, groupSize: block.columns, name: "\(block.rows)x\(block.columns)")
    }
}
