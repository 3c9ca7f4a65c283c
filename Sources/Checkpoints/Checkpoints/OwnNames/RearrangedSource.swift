import ByteIO
import TensorCore

/// Tensors of one or several sources under other names: put together of pieces, and with their rows in another order.
///
/// Nothing is assembled as a whole; a read fetches the parts of the pieces that it needs. Matrices lie as [out, in], also those of a
/// family that has them the other way elsewhere.
struct RearrangedSource: BlockSource {
    struct Tensor {
        let info: TensorInfo
        /// Of the stored tensors, all of one shape and type.
        let pieces: [Piece]
        let joint: Joint
        /// Where rows of heads lie in pairs: rows of a head.
        var headWidth: Int?
    }

    struct Piece: Hashable {
        let source: Int
        let tensor: Int
    }

    enum Joint {
        /// Beneath each other: one piece after the other.
        case rows
        /// Beside each other: a part of every row in every piece.
        case columns
        /// Zeros, of which nothing is stored.
        case none
    }

    let path: String
    let tensors: [TensorInfo]
    let files: [InputFile]
    let unreadableTensors: [UnreadableTensor]
    private let sources: [any TensorSource]
    private let plans: [Tensor]
    /// Index into `files` of the first file of each source.
    private let firstFiles: [Int]

    /// Rows that are beside each other are fetched in steps of about so many bytes.
    private static let stepByteCount = 1 << 20

    init(_ sources: [any TensorSource], _ plans: [Tensor], path: String) {
        self.path = path
        self.sources = sources
        self.plans = plans
        tensors = plans.map(\.info)
        files = sources.flatMap(\.files)
        firstFiles = sources.indices.map { number in sources[..<number].reduce(0) { $0 + $1.files.count } }
        unreadableTensors = sources.flatMap(\.unreadableTensors)
    }

    func blocks(ofTensor index: Int) -> (type: Int, shape: Shape)? { nil }

    func fileIndex(ofTensor index: Int) -> Int {
        guard let piece = plans[index].pieces.first else { return 0 }
        return firstFiles[piece.source] + sources[piece.source].fileIndex(ofTensor: piece.tensor)
    }

    func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
        let plan = plans[index]
        guard plan.pieces.count == 1, plan.headWidth == nil, let piece = plan.pieces.first else { return nil }
        return sources[piece.source].place(ofTensor: piece.tensor).map { (firstFiles[piece.source] + $0.file, $0.offset) }
    }

    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let plan = plans[index]
        precondition(offset >= 0 && offset + buffer.count <= plan.info.byteCount, "a read leaves its tensor")
        guard let headWidth = plan.headWidth, let rowCount = plan.info.shape.dimensions.first, rowCount > 0 else {
            return try readStored(plan, atByteOffset: offset, into: buffer)
        }
        try PairedRows.read(
            atByteOffset: offset, into: buffer, rowByteCount: plan.info.byteCount / rowCount, headWidth: headWidth
        ) { range throws(FileError) in
            try [UInt8](count: range.count) { bytes throws(FileError) in
                try readStored(plan, atByteOffset: range.lowerBound, into: bytes)
            }
        }
    }

    /// The pieces put together, with rows as they are stored.
    private func readStored(_ plan: Tensor, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        switch plan.joint {
        case .none: buffer.initializeMemory(as: UInt8.self, repeating: 0)
        case .columns where plan.pieces.count > 1: try readBeside(plan, atByteOffset: offset, into: buffer)
        case .rows, .columns:
            let byteCount = plan.info.byteCount / plan.pieces.count
            var position = 0
            while position < buffer.count {
                let piece = plan.pieces[(offset + position) / byteCount], start = (offset + position) % byteCount
                let count = min(byteCount - start, buffer.count - position)
                try sources[piece.source].read(
                    tensor: piece.tensor, atByteOffset: start,
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[position..<position + count]))
                position += count
            }
        }
    }

    /// Row r is row r of the first piece, then that of the second, and so on.
    private func readBeside(_ plan: Tensor, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let rowByteCount = plan.info.byteCount / plan.info.shape.dimensions[0], width = rowByteCount / plan.pieces.count
        let step = max(1, Self.stepByteCount / width), end = offset + buffer.count
        var first = offset / rowByteCount
        while first * rowByteCount < end {
            let last = min(first + step, (end + rowByteCount - 1) / rowByteCount)
            for (number, piece) in plan.pieces.enumerated() {
                let part = try [UInt8](count: (last - first) * width) { bytes throws(FileError) in
                    try sources[piece.source].read(tensor: piece.tensor, atByteOffset: first * width, into: bytes)
                }
                for row in first..<last {
                    // Of this part of the row, what lies in the range.
                    let start = row * rowByteCount + number * width
                    let from = max(start, offset), to = min(start + width, end)
                    guard from < to else { continue }
                    let place = (row - first) * width + from - start
                    part.withUnsafeBytes { bytes in
                        UnsafeMutableRawBufferPointer(rebasing: buffer[from - offset..<to - offset])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[place..<place + to - from]))
                    }
                }
            }
            first = last
        }
    }
}
