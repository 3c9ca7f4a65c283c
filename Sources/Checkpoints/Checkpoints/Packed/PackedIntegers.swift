import ByteIO
import Quantization
import TensorCore

/// Integers of 2 to 8 bits in words of 32, as compressed-tensors packs them: each plus 2^(bits - 1), so that none is negative.
///
/// Codes of 3, 5, 6 and 7 bits were packed as many to a word as it holds whole, until about 2025; since then they lie one behind the
/// other as those of all other widths. The number of words tells.
struct PackedIntegers {
    let module: String
    let codes: Int
    private let parts: PartChecks

    init(module: String, codes: Int, _ parts: PartChecks) {
        (self.module, self.codes, self.parts) = (module, codes, parts)
    }

    func weight(_ schemes: CompressedTensorsSchemes) throws(FileError) -> (encoding: GroupedWeight, parts: [Int]) {
        let context = parts.context
        let scales = try context.requiredPlace(of: module + ".weight_scale", beside: codes)
        let shapePart = try context.requiredPlace(of: module + ".weight_shape", beside: codes)
        let shape = try statedShape(shapePart), (rows, columns) = (shape.dimensions[0], shape.dimensions[1])
        let packed = parts.info(codes).shape.dimensions
        guard packed.count == 2, packed[0] == rows else {
            throw parts.refusal(codes, "has shape \(parts.info(codes).shape), but [\(rows), words] belongs to a weight of \(shape)")
        }
        let form = try packing(packed[1], of: columns, in: schemes.bits ?? [2, 3, 4, 5, 6, 7, 8], codes)
        let grid = try ScaleGrid(
            parts.info(scales).shape.dimensions, rows: rows, columns: columns, bits: form.bits, schemes
        ) { parts.refusal(scales, $0) }
        let type = parts.info(scales).scalarType
        guard type.isNarrowable else { throw parts.refusal(scales, "is \(type.rawValue), but scales are BF16, F16 or F32") }
        var used = [codes, scales, shapePart]
        let middle = Float(1 << (form.bits - 1))
        var offsets = GroupConstants(.constant(middle), part: 0, groupsPerRow: grid.groupsPerRow, rowsPerEntry: grid.rowsPerEntry)
        let zeros = context.place(of: module + ".weight_zero_point")
        if let zeros {
            offsets = try zeroPoints(zeros, rows, grid, form, part: used.count)
            used.append(zeros)
        }
        var columnGroups: [Int32]?
        if let indices = context.place(of: module + ".weight_g_idx") {
            columnGroups = try self.columnGroups(indices, columns, grid.groupsPerRow)
            used.append(indices)
        }
        let name = "INT\(form.bits)/\(grid.name)" + (zeros == nil ? "" : "+Z") + (columnGroups == nil ? "" : "+G")
        let encoding = try parts.encoding(of: codes) { () throws(QuantizationError) in
            try GroupedWeight(
                name: name, scalarType: type, shape: shape, codes: form, rowByteCount: 4 * packed[1], arithmetic: .movedThenScaled,
                scales: GroupConstants(.numbers(type), part: 1, groupsPerRow: grid.groupsPerRow, rowsPerEntry: grid.rowsPerEntry),
                offsets: offsets, groupSize: grid.groupSize, columnGroups: columnGroups)
        }
        return (encoding, used)
    }

    private func statedShape(_ part: Int) throws(FileError) -> Shape {
        try parts.check(part, [.i64, .i32], [[2]], of: codes)
        let dimensions = try parts.integers(part)
        guard let shape = Shape(dimensions), shape.elementCount > 0 else {
            throw parts.refusal(part, "is \(dimensions), which is no shape of a weight")
        }
        return shape
    }

    /// How so many words hold the codes of a row, by what may be.
    private func packing(_ words: Int, of count: Int, in bits: Set<Int>, _ part: Int) throws(FileError) -> GroupedCodes {
        let known = bits.filter { (1...8).contains($0) }.sorted()
        // Where whole words hold whole codes, both ways are one.
        let forms = known.flatMap { bits in
            [GroupedCodes.stream(bits: bits)] + (32 % bits == 0 || count <= 32 / bits ? [] : [.words(bits: bits)])
        }
        let fitting = forms.filter { $0.wordCount(count) == words }
        if fitting.count == 1 { return fitting[0] }
        let bitsText = known.map(String.init).joined(separator: ", ")
        throw parts.refusal(
            part,
            fitting.isEmpty
                ? "has \(words) words for \(count) codes, which fits none of \(bitsText) bits"
                : "has \(words) words for \(count) codes, which fits in \(fitting.count) ways of packing \(bitsText) bits",
            hint: fitting.isEmpty ? "the checkpoint or its config.json is damaged; fetch both again" : nil)
    }

    /// Packed down the rows, in the way of the codes, and moved as they are.
    private func zeroPoints(
        _ index: Int, _ rows: Int, _ grid: ScaleGrid, _ form: GroupedCodes, part: Int
    ) throws(FileError) -> GroupConstants {
        guard grid.rowsPerEntry == 1 else {
            throw parts.refusal(index, "lies beside scales of several rows (\(grid.name)), which is not known of packed zero points")
        }
        let info = parts.info(index), dimensions = info.shape.dimensions
        guard info.scalarType == .i32, dimensions.count == 2, dimensions[1] == grid.groupsPerRow else {
            throw parts.refusal(
                index, "is \(info.scalarType.rawValue) \(info.shape), but packed zero points are I32 [words, \(grid.groupsPerRow)]")
        }
        let codes = try packing(dimensions[0], of: rows, in: [form.bits], index)
        return GroupConstants(.columns(codes), part: part, groupsPerRow: grid.groupsPerRow)
    }

    /// The group of each column; nil where the library leaves it unset.
    private func columnGroups(_ index: Int, _ columns: Int, _ groups: Int) throws(FileError) -> [Int32]? {
        try parts.check(index, [.i32], [[columns]], of: codes)
        let values = try parts.integers(index)
        if values.allSatisfy({ $0 == -1 }) { return nil }
        if let wrong = values.firstIndex(where: { !(0..<groups).contains($0) }) {
            throw parts.refusal(index, "element \(wrong) is \(values[wrong]), but there are groups 0 to \(groups - 1)")
        }
        return values.map { Int32($0) }
    }
}
