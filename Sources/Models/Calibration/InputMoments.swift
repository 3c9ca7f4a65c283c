import CKernels
import Parallelism
import TensorCore
package import Transformer

/// What linear layers that share their inputs x [in] saw of a text: the second moment of x, and some x that are not in it.
///
///     H = mean over tokens of x x'        [in, in]            h = diag H
///     X = inputs of other tokens          [heldOutCount, in]
///
/// Where there is no memory for H, its diagonal chunks are kept alone: inputs of different chunks count as independent.
///
/// Sums are the same bits for any number of threads and on every level: tokens come in pieces of at most 512 in order, products of
/// 256 of them are chains of float32 multiply-adds, the sums of a piece are added to the doubles of H.
package final class InputMoments {
    /// in.
    package let width: Int
    /// Tokens in H.
    package private(set) var tokenCount = 0
    /// Inputs that are in H together, in their order: all, unless H is cut.
    package let chunks: [Range<Int>]
    /// H of each chunk, once `finish` was called.
    package let matrices: [SymmetricBlocks]
    /// Of all matrices, which one, and the block's place in it.
    private let blocks: [(chunk: Int, index: Int)]
    /// X, row by row.
    package private(set) var heldOut: [Float] = []

    package var heldOutCount: Int { heldOut.count / width }

    /// H where it is not cut.
    package var matrix: SymmetricBlocks {
        precondition(chunks.count == 1, "H is cut into \(chunks.count) chunks")
        return matrices[0]
    }

    /// h.
    package var diagonal: [Double] { matrices.flatMap(\.diagonal) }

    /// Rows of x that are taken together, and pieces of one chain of float32.
    static let largestPiece = 512
    private static let depth = Int(QK_MATMUL_DEPTH)
    private static let stride = Int(QK_MATMUL_STRIDE)
    private static let size = SymmetricBlocks.size

    /// - Parameters:
    ///   - heldOutCount: tokens that X will have: room is made for them.
    ///   - chunkWidth: inputs that are in H together at most; nil for all.
    package init(width: Int, heldOutCount: Int, chunkWidth: Int? = nil) {
        self.width = width
        chunks = Self.chunks(width: width, chunkWidth: chunkWidth)
        matrices = chunks.map { SymmetricBlocks(count: $0.count) }
        blocks = matrices.enumerated().flatMap { chunk, matrix in (0..<matrix.blockCount).map { (chunk, $0) } }
        heldOut.reserveCapacity(width * heldOutCount)
    }

    /// As few chunks as there have to be, of whole blocks of columns, as equal as these allow, the larger ones first.
    static func chunks(width: Int, chunkWidth: Int?) -> [Range<Int>] {
        guard let chunkWidth, chunkWidth < width else { return [0..<width] }
        precondition(chunkWidth >= size, "chunks of whole blocks of \(size), not \(chunkWidth)")
        let blockCount = (width + size - 1) / size, largest = chunkWidth / size
        let count = (blockCount + largest - 1) / largest
        var start = 0
        return (0..<count).map { number in
            let blocks = blockCount / count + (number < blockCount % count ? 1 : 0)
            let chunk = start..<min(width, start + blocks * size)
            start = chunk.upperBound
            return chunk
        }
    }

    /// Keeps rows of x for X.
    package func hold(_ x: UnsafePointer<Float>, rowCount: Int) {
        heldOut.append(contentsOf: UnsafeBufferPointer(start: x, count: rowCount * width))
    }

    /// Adds x x' of rows of x to H.
    package func add(_ x: UnsafePointer<Float>, rowCount: Int, _ memory: MomentMemory, _ engine: MatrixEngine) {
        for start in Swift.stride(from: 0, to: rowCount, by: Self.largestPiece) {
            addPiece(x + start * width, rowCount: min(Self.largestPiece, rowCount - start), memory, engine)
        }
        tokenCount += rowCount
    }

    private func addPiece(_ x: UnsafePointer<Float>, rowCount: Int, _ memory: MomentMemory, _ engine: MatrixEngine) {
        let depth = Self.depth, stride = Self.stride, size = Self.size, level = engine.level, width = qk_matmul_width(level)
        let pieces = Swift.stride(from: 0, to: rowCount, by: depth).map { $0..<min($0 + depth, rowCount) }
        let rows = WeightMatrix(
            dense: UnsafeRawBufferPointer(start: x, count: 4 * rowCount * self.width), of: .f32, outputCount: rowCount,
            inputCount: self.width)
        let columnBlockCount = (self.width + size - 1) / size
        memory.prepare(blockCount: columnBlockCount)
        let (tiles, panels) = (memory.tiles, memory.panels)
        engine.pool.forKernels(count: columnBlockCount * pieces.count) { index, _ in
            let column = index / pieces.count * size, piece = pieces[index % pieces.count]
            let count = min(size, self.width - column)
            let tile = tiles + index * size * stride, panel = panels + index * size * depth
            if count < size {
                // What lies beyond the last column counts as 0.
                tile.update(repeating: 0, count: size * stride)
                panel.update(repeating: 0, count: size * depth)
            }
            qk_matmul_transpose_at(level, x + piece.lowerBound * self.width + column, self.width, piece.count, count, tile, stride)
            withUnsafePointer(to: rows.stored) {
                qk_matmul_expandPanels_at(level, $0, piece.lowerBound, piece.count, column, count, panel)
            }
        }
        engine.pool.forKernels(count: blocks.count) { index, _ in
            let (chunk, place) = blocks[index], first = chunks[chunk].lowerBound / size
            let (ownRow, ownColumn) = SymmetricBlocks.place(ofBlock: place)
            let (row, column) = (first + ownRow, first + ownColumn)
            withUnsafeTemporaryAllocation(byteCount: 4 * SymmetricBlocks.elementCount, alignment: 64) { bytes in
                let sums = bytes.bindMemory(to: Float.self)
                guard let sums = sums.baseAddress else { return }
                for (number, piece) in pieces.enumerated() {
                    let tile = tiles + (column * pieces.count + number) * size * stride
                    let panel = panels + (row * pieces.count + number) * size * depth
                    for first in Swift.stride(from: 0, to: size, by: width) {
                        qk_matmul_tile_at(
                            level, tile, size, piece.count, panel + first * piece.count, sums + first, size, number > 0)
                    }
                }
                qk_block64_add_at(level, sums, matrices[chunk].block(at: place))
            }
        }
    }

    /// Divides the sums by the number of tokens, once all of them were added.
    package func finish(_ engine: MatrixEngine) {
        precondition(tokenCount > 0, "a mean is one of something")
        let factor = 1 / Double(tokenCount)
        engine.pool.forKernels(count: blocks.count) { index, _ in
            let (chunk, place) = blocks[index]
            qk_block64_scale_at(engine.level, factor, matrices[chunk].block(at: place))
        }
    }

    /// What a group of `width` inputs takes besides X.
    package static func byteCount(width: Int, chunkWidth: Int? = nil) -> Int {
        chunks(width: width, chunkWidth: chunkWidth).reduce(0) { $0 + SymmetricBlocks.byteCount($1.count) }
    }
}

/// Memory for a piece of x, turned for products: shared by all groups, one after another.
package final class MomentMemory {
    package init() {}

    private var buffers: (tiles: UnsafeMutableBufferPointer<Float>, panels: UnsafeMutableBufferPointer<Float>) = (
        .init(start: nil, count: 0), .init(start: nil, count: 0)
    )

    deinit { release() }

    private func release() {
        buffers.tiles.deallocate()
        buffers.panels.deallocate()
    }

    /// Floats of a piece and of a block of columns.
    private static let tileCount = 2 * SymmetricBlocks.size * Int(QK_MATMUL_STRIDE)
    private static let panelCount = 2 * SymmetricBlocks.size * Int(QK_MATMUL_DEPTH)

    static func byteCount(width: Int) -> Int { ((width + 63) / 64) * 4 * (tileCount + panelCount) }

    func prepare(blockCount: Int) {
        guard buffers.tiles.count < blockCount * Self.tileCount else { return }
        release()
        func allocate(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
            UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * count, alignment: 64).bindMemory(to: Float.self)
        }
        buffers = (allocate(blockCount * Self.tileCount), allocate(blockCount * Self.panelCount))
    }

    var tiles: UnsafeMutablePointer<Float> { start(buffers.tiles) }
    var panels: UnsafeMutablePointer<Float> { start(buffers.panels) }

    private func start(_ buffer: UnsafeMutableBufferPointer<Float>) -> UnsafeMutablePointer<Float> {
        guard let start = buffer.baseAddress else { preconditionFailure("memory is prepared before it is used") }
        return start
    }
}
