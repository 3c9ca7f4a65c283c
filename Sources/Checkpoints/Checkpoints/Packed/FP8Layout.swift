import ByteIO
import JSONText
import Quantization
import TensorCore

/// Weights of 8-bit floats with scales, as DeepSeek, Qwen, Mistral, compressed-tensors, FBGEMM, AutoFP8 and modelopt store them.
///
///     P.weight            F8_E4M3 or F8_E5M2 [out, in]; I8 [out, in / 2] of 4-bit floats, if the scales are powers of two
///     P.weight_scale_inv  by what it is multiplied, whatever its name says: one for all, for each row, or for each block
///                         (also `.weight_scale`, `.scale`, `.qscale_weight`, `.scale_weight`); F32, F16, BF16, or U8 of powers of two
///
/// and of all experts of a layer, as transformers stores them (`FP8Stack`).
struct FP8Layout: TensorLayout {
    private static let weightEnd = ".weight"
    private static let scaleEnds = [".weight_scale_inv", ".weight_scale", ".scale", ".qscale_weight", ".scale_weight"]
    /// Of blocks where nothing says their size.
    private static let usualBlock = (rows: 128, columns: 128)

    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        let blocks = Self.statedBlocks(context.quantization)
        var findings = try FP8Stack.find(in: source, context, blocks: blocks)
        for (index, info) in source.tensors.enumerated() where info.name.hasSuffix(Self.weightEnd) {
            guard [.f8e4m3, .f8e5m2, .i8].contains(info.scalarType), info.shape.dimensions.count == 2 else { continue }
            let module = String(info.name.dropLast(Self.weightEnd.count))
            let found = Self.scaleEnds.compactMap { context.place(of: module + $0) }
            guard let scale = found.first else { continue }
            let scaleInfo = source.tensors[scale]
            // Whole numbers of 8 bits are of other layouts.
            let isPacked = info.scalarType == .i8
            if isPacked, !(Self.isPowerOfTwo(scaleInfo.scalarType) && scaleInfo.shape.dimensions.count == 2) { continue }
            guard found.count == 1 else {
                throw FileError(
                    source.path, at: "tensor '\(info.name)'",
                    "has two scales, '\(scaleInfo.name)' and '\(source.tensors[found[1]].name)'",
                    hint: "two checkpoints were mixed; fetch this one again, whole")
            }
            let weight = Weight(info: info, scale: scaleInfo, path: source.path)
            findings.add(
                info.name, try weight.encoding(blocks: blocks, scalarType: Self.scalarType(scaleInfo, context)), parts: [index, scale],
                place: index, context)
        }
        return findings
    }

    static func isPowerOfTwo(_ type: ScalarType) -> Bool { type == .u8 || type == .f8e8m0 }

    /// What the products are rounded to: of compressed-tensors the type of the scales, else that of the model.
    static func scalarType(_ scale: TensorInfo, _ context: LayoutContext) -> ScalarType {
        let method = context.quantization.methodOfConfig
        if method == "compressed-tensors", scale.scalarType.isNarrowable { return scale.scalarType }
        return context.statedType ?? .bf16
    }

    /// Of a type of codes: I8 holds two 4-bit floats.
    static func codes(_ type: ScalarType) -> GroupedCodes { type == .i8 ? .e2m1 : type == .f8e5m2 ? .e5m2 : .e4m3 }
    static func name(_ codes: GroupedCodes) -> String { codes == .e2m1 ? "FP4" : codes == .e5m2 ? "FP8-E5M2" : "FP8" }
    static func words(_ codes: GroupedCodes) -> String { codes == .e2m1 ? "FP4, 4 bits" : "FP8, 8 bits" }

    /// How scales of a type are read; nil where they are none.
    static func form(_ type: ScalarType) -> GroupConstants.Form? {
        isPowerOfTwo(type) ? .exponentsOrNaN : type.isNarrowable ? .numbers(type) : nil
    }

    /// Sizes of blocks that are stated: for all, or by compressed-tensors for groups of modules.
    private static func statedBlocks(_ quantization: StatedQuantization) -> [(rows: Int, columns: Int)] {
        var blocks: [(rows: Int, columns: Int)] = []
        func add(_ value: JSONValue?) {
            let sizes = value?.array?.compactMap(\.integer) ?? []
            guard sizes.count == 2, sizes.allSatisfy({ (1...Int(Int32.max)).contains($0) }) else { return }
            blocks.append((sizes[0], sizes[1]))
        }
        for statement in quantization.statements {
            add(statement.settings["weight_block_size"])
            for group in statement.settings["config_groups"]?.object?.members ?? [] { add(group.value["weights"]?["block_structure"]) }
        }
        return blocks
    }

    /// A weight and its scale, both of them found.
    private struct Weight {
        let info: TensorInfo
        let scale: TensorInfo
        let path: String

        func encoding(blocks: [(rows: Int, columns: Int)], scalarType: ScalarType) throws(FileError) -> GroupedWeight {
            let codes = FP8Layout.codes(info.scalarType)
            let (columns, overflows) = info.shape.dimensions[1].multipliedReportingOverflow(by: codes == .e2m1 ? 2 : 1)
            guard !overflows, let shape = Shape([info.shape.dimensions[0], columns]), shape.elementCount > 0 else {
                throw FileError(path, at: "tensor '\(info.name)'", "shape \(info.shape) is empty or too large")
            }
            guard let form = FP8Layout.form(scale.scalarType) else {
                throw FileError(
                    path, at: "tensor '\(scale.name)'",
                    "is \(scale.scalarType.rawValue), but scales of '\(info.name)' are F32, F16, BF16, or U8 of powers of two")
            }
            let block = try block(of: shape, stated: blocks)
            let groupSize = min(block.columns, columns)
            do throws(QuantizationError) {
                return try GroupedWeight(
                    name: FP8Layout.name(codes) + Self.suffix(block), scalarType: scalarType, shape: shape, codes: codes,
                    rowByteCount: info.shape.dimensions[1],
                    scales: GroupConstants(
                        form, part: 1, groupsPerRow: (columns - 1) / groupSize + 1, rowsPerEntry: min(block.rows, shape.dimensions[0])),
                    groupSize: groupSize, words: FP8Layout.words(codes))
            } catch { throw FileError(path, at: "tensor '\(info.name)'", error.message) }
        }

        /// `/128x128`, `/1x32`, `/row`; nothing of a scale for all.
        private static func suffix(_ block: (rows: Int, columns: Int)) -> String {
            if block.columns == .max { return block.rows == .max ? "" : "/row" }
            return "/\(block.rows)x\(block.columns)"
        }

        /// Rows and columns that share a scale, by the shapes first: one scale, or one a row, leaves no question.
        private func block(of shape: Shape, stated: [(rows: Int, columns: Int)]) throws(FileError) -> (rows: Int, columns: Int) {
            let (rows, columns) = (shape.dimensions[0], shape.dimensions[1]), grid = scale.shape.dimensions
            if grid.isEmpty || grid == [1] { return (.max, .max) }
            if grid == [rows] || grid == [rows, 1] && !stated.contains(where: { Self.fits($0, shape, grid) }) { return (1, .max) }
            guard grid.count == 2, grid.allSatisfy({ $0 > 0 }) else { throw refusal(of: shape, stated: stated) }
            // A scale for every 32 is part of the formats whose scales are powers of two, whatever is stated of others.
            let run = (rows: 1, columns: MXFP4.blockSize)
            let isRun = FP8Layout.isPowerOfTwo(scale.scalarType) && Self.fits(run, shape, grid)
            if isRun, info.scalarType == .i8 { return run }
            if let block = stated.first(where: { Self.fits($0, shape, grid) }) { return block }
            if isRun { return run }
            guard stated.isEmpty else { throw refusal(of: shape, stated: stated) }
            if Self.fits(FP8Layout.usualBlock, shape, grid) { return FP8Layout.usualBlock }
            if rows % grid[0] == 0, columns % grid[1] == 0 { return (rows / grid[0], columns / grid[1]) }
            throw refusal(of: shape, stated: stated)
        }

        private static func fits(_ block: (rows: Int, columns: Int), _ shape: Shape, _ grid: [Int]) -> Bool {
            grid.count == 2 && grid[0] == (shape.dimensions[0] - 1) / block.rows + 1
                && grid[1] == (shape.dimensions[1] - 1) / block.columns + 1
        }

        private func refusal(of shape: Shape, stated: [(rows: Int, columns: Int)]) -> FileError {
            let block = stated.first ?? FP8Layout.usualBlock
            let expected = [(shape.dimensions[0] - 1) / block.rows + 1, (shape.dimensions[1] - 1) / block.columns + 1]
            return FileError(
                path, at: "tensor '\(scale.name)'",
                "has shape \(scale.shape), but '\(info.name)' of \(shape) in blocks of \(block.rows) x \(block.columns) has \(expected) scales",
                hint: "weights and config.json (weight_block_size) are not of the same model")
        }
    }
}
