import ByteIO
import Quantization
import TensorCore

/// The weights of all experts of a layer as 8-bit floats, as transformers stores them:
///
///     P              F8_E4M3 or F8_E5M2 [experts, out, in]; I8 [experts, out, in / 2] of 4-bit floats
///     P_scale_inv    [experts, out / h, in / w]      by what a block of h x w is multiplied
///     P_activation_scale                             dropped
///
/// transformers takes a whole number of blocks for granted, and so their size from the shapes: others are refused.
struct FP8Stack {
    private let info: TensorInfo
    private let scale: TensorInfo
    private let path: String

    static func find(
        in source: any TensorSource, _ context: LayoutContext, blocks: [(rows: Int, columns: Int)]
    ) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        for (index, info) in source.tensors.enumerated() where [.f8e4m3, .f8e5m2, .i8].contains(info.scalarType) {
            // Who stores the matrices the other way has no file of this kind that is known.
            guard info.shape.dimensions.count == 3, ExpertStacks.isStack(info.name), context.orientation(info.name) == .outputsByInputs,
                let scale = context.place(of: info.name + "_scale_inv")
            else { continue }
            let stack = FP8Stack(info: info, scale: source.tensors[scale], path: source.path)
            let type = FP8Layout.scalarType(stack.scale, context)
            findings.add(info.name, try stack.encoding(blocks, type), parts: [index, scale], place: index, context)
            if let leftover = context.place(of: info.name + "_activation_scale") { findings.leftovers.append(leftover) }
        }
        return findings
    }

    private func encoding(_ blocks: [(rows: Int, columns: Int)], _ scalarType: ScalarType) throws(FileError) -> GroupedWeight {
        let codes = FP8Layout.codes(info.scalarType), dimensions = info.shape.dimensions
        let (columns, overflows) = dimensions[2].multipliedReportingOverflow(by: codes == .e2m1 ? 2 : 1)
        guard !overflows, let shape = Shape([dimensions[0], dimensions[1], columns]), shape.elementCount > 0 else {
            throw FileError(path, at: "tensor '\(info.name)'", "shape \(info.shape) is empty or too large")
        }
        guard let form = FP8Layout.form(scale.scalarType), codes != .e2m1 || form == .exponentsOrNaN else {
            let types = codes == .e2m1 ? "U8 of powers of two" : "F32, F16, BF16, or U8 of powers of two"
            throw refusal("is \(scale.scalarType.rawValue), but scales of '\(info.name)' are \(types)")
        }
        let block = try block(rows: dimensions[1], columns: columns, stated: codes == .e2m1 ? [] : blocks)
        do throws(QuantizationError) {
            return try GroupedWeight(
                name: "\(FP8Layout.name(codes))/\(block.rows)x\(block.columns)", scalarType: scalarType, shape: shape, codes: codes,
                rowByteCount: dimensions[2],
                scales: GroupConstants(form, part: 1, groupsPerRow: columns / block.columns, rowsPerEntry: block.rows),
                groupSize: block.columns, words: FP8Layout.words(codes))
        } catch { throw FileError(path, at: "tensor '\(info.name)'", error.message) }
    }

    private func block(rows: Int, columns: Int, stated: [(rows: Int, columns: Int)]) throws(FileError) -> (rows: Int, columns: Int) {
        let grid = scale.shape.dimensions
        guard grid.count == 3, grid[0] == info.shape.dimensions[0], grid[1] > 0, grid[2] > 0 else {
            throw refusal(
                "has shape \(scale.shape), but '\(info.name)' of \(info.shape) has [\(info.shape.dimensions[0]), rows, columns] scales")
        }
        guard rows % grid[1] == 0, columns % grid[2] == 0 else {
            throw refusal(
                "has shape \(scale.shape), but [\(rows), \(columns)] are no \(grid[1]) x \(grid[2]) blocks of one size, and what partial ones of "
                    + "experts mean is not known", hint: "start from the dense model")
        }
        let block = (rows: rows / grid[1], columns: columns / grid[2])
        // One scale for a matrix, or for each half of one that is two, belongs to schemes without blocks.
        let isOfBlocks = grid[1] > 2 || grid[2] > 1
        guard stated.isEmpty || !isOfBlocks || stated.contains(where: { $0 == block }) else {
            throw refusal(
                "has shape \(scale.shape), which makes blocks of \(block.rows) x \(block.columns), but config.json states "
                    + stated.map { "\($0.rows) x \($0.columns)" }.joined(separator: " and "),
                hint: "weights and config.json (weight_block_size) are not of the same model")
        }
        return block
    }

    private func refusal(_ message: String, hint: String? = nil) -> FileError {
        FileError(path, at: "tensor '\(scale.name)'", message, hint: hint)
    }
}
