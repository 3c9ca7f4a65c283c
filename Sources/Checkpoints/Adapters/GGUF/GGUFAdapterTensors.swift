import Architectures
import ByteIO
import GGUFFormat
import Quantization
import TensorCore

/// The factors of a GGUF adapter as PEFT has them, under its names.
///
///     in the file           here
///     blk.0.ffn_up.weight.lora_a  [r, in]     model.layers.0.mlp.up_proj.lora_A.weight  [r, in]
///     blk.0.ffn_up.weight.lora_b  [out, r]    ...lora_B.weight                          [out, r]
///     token_embd.weight.lora_a    [V, r]      ...lora_embedding_A                       [r, V]: turned
///     blk.0.attn_q.weight.lora_b  [out, r]    rows of each head in pairs: back in their places, see `RowOrder`
///
/// Blocks are decoded to F32; other types stay.
struct GGUFAdapterTensors: TensorSource {
    /// Where rows that lie in pairs go: only the base knows how wide a head is.
    enum RowOrder: Sendable {
        /// They are not read.
        case unknown
        case asStored
        /// Of each layer of the base.
        case headWidths([Int])
    }

    enum Turn: Sendable, Hashable {
        case none
        case transposed
        /// In this layer.
        case paired(layer: Int)
    }

    struct Factor: Sendable {
        /// Index in the file.
        let place: Int
        /// As PEFT has it.
        let info: TensorInfo
        /// What is decoded to F32; nil of a scalar type.
        let format: BlockFormat?
        let turn: Turn

        var elementByteCount: Int { info.scalarType.bitCount / 8 }
    }

    let file: GGUFSource
    /// `general.architecture`.
    let architecture: String
    let tensors: [TensorInfo]
    var rowOrder = RowOrder.unknown
    private let factors: [Factor]

    init(_ file: GGUFSource, architecture: String, factors: [Factor]) {
        self.file = file
        self.architecture = architecture
        self.factors = factors
        tensors = factors.map(\.info)
    }

    var path: String { file.path }
    var files: [InputFile] { file.files }

    /// Whether some of them cannot be read before the base is known.
    var hasUnknownRows: Bool {
        guard case .unknown = rowOrder else { return false }
        return factors.contains { if case .paired = $0.turn { true } else { false } }
    }

    func fileIndex(ofTensor index: Int) -> Int { file.fileIndex(ofTensor: factors[index].place) }

    func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
        let factor = factors[index]
        return factor.turn == .none && factor.format == nil ? file.place(ofTensor: factor.place) : nil
    }

    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        guard buffer.count > 0 else { return }
        let factor = factors[index]
        switch factor.turn {
        case .none: try readStored(factor, atByteOffset: offset, into: buffer)
        case .transposed: try readTransposed(factor, atByteOffset: offset, into: buffer)
        case .paired(let layer):
            switch rowOrder {
            case .asStored: try readStored(factor, atByteOffset: offset, into: buffer)
            case .headWidths(let widths) where layer < widths.count:
                try readUnpaired(factor, headWidth: widths[layer], atByteOffset: offset, into: buffer)
            case .unknown, .headWidths: throw unknownRows(factor)
            }
        }
    }

    private func unknownRows(_ factor: Factor) -> FileError {
        FileError(
            path, at: place(of: factor), "its rows lie in pairs in each head, and only the base says how wide a head is",
            hint: "`Adapter.placed` makes an adapter of it that is read without a base")
    }

    private func place(of factor: Factor) -> String { "tensor '\(file.tensors[factor.place].name)'" }

    // MARK: - As the file has them

    /// Elements in the order of the file, decoded.
    private func readStored(
        _ factor: Factor, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        guard let format = factor.format else { return try file.read(tensor: factor.place, atByteOffset: offset, into: buffer) }
        let blockByteCount = 4 * format.elementsPerBlock
        let blocks = offset / blockByteCount..<(offset + buffer.count + blockByteCount - 1) / blockByteCount
        let stored = try file.bytes(
            ofTensor: factor.place, blocks.lowerBound * format.bytesPerBlock..<blocks.upperBound * format.bytesPerBlock)
        var values = [Float](repeating: 0, count: blocks.count * format.elementsPerBlock)
        var span = values.mutableSpan
        format.decode(stored.span.bytes, into: &span)
        let start = offset - blocks.lowerBound * blockByteCount
        values.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + buffer.count])) }
    }

    private func storedBytes(_ factor: Factor, _ range: Range<Int>) throws(FileError) -> [UInt8] {
        try [UInt8](count: range.count) { buffer throws(FileError) in
            try readStored(factor, atByteOffset: range.lowerBound, into: buffer)
        }
    }

    // MARK: - As PEFT has them

    /// [r, V] of the file's [V, r].
    private func readTransposed(
        _ factor: Factor, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let dimensions = factor.info.shape.dimensions
        try TurnedFactor(rows: dimensions[0], columns: dimensions[1], elementByteCount: factor.elementByteCount)
            .read(atByteOffset: offset, into: buffer) { (range) throws(FileError) in try storedBytes(factor, range) }
    }

    private func readUnpaired(
        _ factor: Factor, headWidth: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let rowCount = factor.info.shape.dimensions[0]
        guard headWidth > 0, headWidth % 2 == 0, rowCount % headWidth == 0 else {
            throw FileError(
                path, at: place(of: factor), "has \(rowCount) rows, but the heads of the base have \(headWidth) rows",
                hint: "the adapter is of another base")
        }
        let rowByteCount = factor.info.shape.dimensions[1] * factor.elementByteCount, headByteCount = headWidth * rowByteCount
        var position = offset
        let end = offset + buffer.count
        while position < end {
            // A head at a time: its rows lie together in the file.
            let head = position / headByteCount
            let stored = try storedBytes(factor, head * headByteCount..<(head + 1) * headByteCount)
            let headEnd = min(end, (head + 1) * headByteCount)
            while position < headEnd {
                let row = position / rowByteCount % headWidth, inRow = position % rowByteCount
                let count = min(rowByteCount - inRow, headEnd - position)
                let source = GGUFSpelling.pairedRow(row, headWidth: headWidth) * rowByteCount + inRow
                stored.withUnsafeBytes { bytes in
                    UnsafeMutableRawBufferPointer(rebasing: buffer[position - offset..<position - offset + count])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[source..<source + count]))
                }
                position += count
            }
        }
    }
}
