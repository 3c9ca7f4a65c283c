import ByteIO
import Synchronization
import TensorCore

/// A factor of one expert, in a tensor that has those of all.
struct ExpertSlice: Sendable {
    /// Element (i, j) is number start + i * rowStep + j * columnStep of a stored tensor.
    struct Place: Sendable {
        let tensor: AdapterTensor
        let start: Int
        let rowStep: Int
        let columnStep: Int
    }

    let place: Place
    let info: TensorInfo
}

/// The stored tensors of an adapter, and behind them the factors of each expert.
struct ExpertTensors: TensorSource {
    private let stored: any TensorSource
    private let slices: [ExpertSlice]
    private let checksums: [CRC32C]?
    private let cache = Cache()
    let tensors: [TensorInfo]

    /// Tensors of all experts that were read last: their slices are asked for one after the other.
    private final class Cache: Sendable {
        static let limit = 4
        let tensors = Mutex<[(index: Int, bytes: [UInt8])]>([])
    }

    init(_ stored: any TensorSource, slices: [ExpertSlice], checksums: [CRC32C]?) {
        self.stored = stored
        self.slices = slices
        self.checksums = checksums
        tensors = stored.tensors + slices.map(\.info)
    }

    var path: String { stored.path }
    var files: [InputFile] { stored.files }

    private func slice(_ index: Int) -> ExpertSlice? { index < stored.tensors.count ? nil : slices[index - stored.tensors.count] }

    func fileIndex(ofTensor index: Int) -> Int { stored.fileIndex(ofTensor: slice(index)?.place.tensor.index ?? index) }

    func place(ofTensor index: Int) -> (file: Int, offset: Int)? { slice(index) == nil ? stored.place(ofTensor: index) : nil }

    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        guard let slice = slice(index) else { return try stored.read(tensor: index, atByteOffset: offset, into: buffer) }
        let bytes = try bytes(of: slice.place.tensor), place = slice.place
        let width = slice.info.scalarType.bitCount / 8, columns = slice.info.shape.dimensions[1]
        var position = 0
        while position < buffer.count {
            let (element, byte) = (offset + position).quotientAndRemainder(dividingBy: width)
            let (row, column) = element.quotientAndRemainder(dividingBy: columns)
            let source = (place.start + row * place.rowStep + column * place.columnStep) * width + byte
            let count = min(place.columnStep == 1 ? (columns - column) * width - byte : width - byte, buffer.count - position)
            for index in 0..<count { buffer[position + index] = bytes[source + index] }
            position += count
        }
    }

    /// All of a stored tensor, compared with its checksum.
    private func bytes(of tensor: AdapterTensor) throws(FileError) -> [UInt8] {
        if let known = cache.tensors.withLock({ $0.first { $0.index == tensor.index }?.bytes }) { return known }
        let bytes = try [UInt8](count: tensor.info.byteCount) { buffer throws(FileError) in
            try stored.read(tensor: tensor.index, atByteOffset: 0, into: buffer)
        }
        if let stated = checksums?[tensor.index], stated != CRC32C(of: bytes) {
            throw FileError(
                path, at: "tensor '\(tensor.info.name)'", "its checksum is \(CRC32C(of: bytes)), but the file says \(stated)",
                hint: "the file is damaged; fetch or make it again")
        }
        cache.tensors.withLock { tensors in
            if tensors.count >= Cache.limit { tensors.removeFirst() }
            tensors.append((tensor.index, bytes))
        }
        return bytes
    }
}
