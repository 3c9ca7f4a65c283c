import ByteIO
import TensorCore

/// Makes a bundle of what an index says and its data files hold, or says what is wrong.
struct TensorBundleBuilder {
    private let index: BundleIndex
    private var data: DataFiles
    /// Slices whose tensor has not been met.
    private var slices: [SliceKey: BundleEntry]
    private var tensors: [TensorInfo] = []
    private var contents: [TensorBundle.Content] = []
    private var unreadable: [UnreadableTensor] = []

    /// Reads the index and opens the data files.
    init(prefix: String) throws(FileError) {
        let file = try InputFile(path: prefix + BundleLocation.indexSuffix)
        index = try BundleIndex(file)
        data = try DataFiles(index, indexFile: file, prefix: prefix)
        slices = index.slices
    }

    consuming func build() throws(FileError) -> TensorBundle {
        for tensor in index.tensors { try add(tensor) }
        if let orphan = slices.keys.map(\.encoded).min(by: { $0.lexicographicallyPrecedes($1) }) {
            throw FileError(index.path, at: "tensor \(quoted(orphan))", "no tensor of this name lists this slice")
        }
        try data.requireSeparateClaims()
        return TensorBundle(
            path: index.path, tensors: tensors, unreadableTensors: unreadable, files: data.files, contents: contents)
    }

    private mutating func add(_ tensor: BundleIndex.Tensor) throws(FileError) {
        let entry = tensor.entry
        guard let type = TensorFlowType(rawValue: entry.type) else {
            throw error(tensor, "its type has number \(entry.type), which is no type of TensorFlow's that can be stored")
        }
        guard let shape = Shape(entry.dimensions) else {
            throw error(tensor, "shape \(entry.dimensions) has more elements than can be counted")
        }
        guard let scalarType = type.scalarType else {
            let runs =
                try entry.slices.isEmpty
                ? [data.claim(entry, key: tensor.key)]
                : pieces(of: tensor, type: type, shape: shape, elementByteCount: nil).map(\.run)
            unreadable.append(
                UnreadableTensor(
                    name: tensor.name, typeName: type.name, shape: entry.dimensions,
                    byteCount: runs.reduce(0) { $0 + $1.byteCount }))
            return
        }
        guard let info = TensorInfo(name: tensor.name, scalarType: scalarType, shape: shape) else {
            throw error(tensor, "shape \(shape) of \(type.name) has more bytes than can be counted")
        }
        if entry.slices.isEmpty {
            let run = try data.claim(entry, key: tensor.key)
            try requireByteCount(run, info.byteCount, shape: shape, type: type, key: tensor.key)
            contents.append(.whole(run))
        } else {
            let pieces = try pieces(of: tensor, type: type, shape: shape, elementByteCount: scalarType.bitCount / 8)
            contents.append(.partitioned(PartitionedTensor(pieces: pieces)))
        }
        tensors.append(info)
    }

    /// The slices of a tensor, which cover it once. Without `elementByteCount` their sizes say nothing of their shapes.
    private mutating func pieces(
        of tensor: BundleIndex.Tensor, type: TensorFlowType, shape: Shape, elementByteCount: Int?
    ) throws(FileError) -> [PartitionedTensor.Piece] {
        let entry = tensor.entry
        guard entry.slices.count <= PartitionedTensor.pieceLimit else {
            throw error(tensor, "has \(entry.slices.count) slices, but at most \(PartitionedTensor.pieceLimit) are read")
        }
        guard entry.byteCount == 0 else { throw error(tensor, "has slices, and also \(entry.byteCount) bytes of its own") }
        var listed: Set<TensorSlice> = []
        var pieces: [PartitionedTensor.Piece] = []
        var boxes: [SliceBox] = []
        for slice in entry.slices {
            guard let box = slice.box(in: shape.dimensions) else {
                throw error(tensor, "slice \(slice) does not lie in shape \(shape)")
            }
            guard listed.insert(slice).inserted else { throw error(tensor, "slice \(slice) is listed twice") }
            let key = SliceKey(name: tensor.key, slice: slice)
            guard let part = slices.removeValue(forKey: key) else {
                throw error(tensor, "slice \(slice) has no entry of its own")
            }
            guard part.type == entry.type, part.dimensions == box.lengths else {
                throw error(
                    tensor,
                    "slice \(slice) is \(type.name) \(box.lengths), but its entry says "
                        + "\(TensorFlowType(rawValue: part.type)?.name ?? "type \(part.type)") \(part.dimensions)")
            }
            let run = try data.claim(part, key: key.encoded)
            var layout: SliceLayout?
            // Within the shape of a tensor whose bytes can be counted no product here overflows, but beside a zero it may.
            if let elementByteCount {
                let elementCount = shape.elementCount == 0 ? 0 : box.lengths.reduce(1, *)
                try requireByteCount(
                    run, elementCount * elementByteCount, shape: Shape(box.lengths) ?? shape, type: type, key: key.encoded)
                if elementCount > 0 {
                    layout = SliceLayout(box, dimensions: shape.dimensions, elementByteCount: elementByteCount)
                }
            }
            pieces.append(PartitionedTensor.Piece(slice: slice, run: run, layout: layout))
            boxes.append(box)
        }
        do throws(PartitionedTensor.Flaw) {
            try PartitionedTensor.requireCover(entry.slices, boxes, elementCount: shape.elementCount)
        } catch {
            switch error {
            case .overlap(let first, let second): throw self.error(tensor, "slices \(first) and \(second) overlap")
            case .gap(let count): throw self.error(tensor, "the slices hold \(count) of the \(shape.elementCount) elements")
            }
        }
        return pieces.sorted { ($0.layout?.range.lowerBound ?? 0) < ($1.layout?.range.lowerBound ?? 0) }
    }

    private func requireByteCount(
        _ run: StoredRun, _ expected: Int, shape: Shape, type: TensorFlowType, key: [UInt8]
    ) throws(FileError) {
        guard run.byteCount == expected else {
            throw FileError(
                index.path, at: "tensor \(quoted(key))",
                "shape \(shape) of \(type.name) is \(expected) bytes, but the index gives it \(run.byteCount)")
        }
    }

    private func error(_ tensor: BundleIndex.Tensor, _ message: String) -> FileError {
        FileError(index.path, at: "tensor \(quoted(tensor.key))", message)
    }
}
