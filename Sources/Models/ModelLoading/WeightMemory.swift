import ByteIO
import Synchronization
import TensorCore

/// The memory that matrices point into: mapped files, and copies of what does not lie in one piece in a file.
final class WeightMemory: Sendable {
    private let source: any TensorSource
    /// Of each file of the source that was needed.
    private let maps = Mutex<[Int: MappedFile]>([:])
    private let copies = Mutex<[OwnedBytes]>([])

    init(_ source: any TensorSource) { self.source = source }

    /// The bytes of a tensor, valid for as long as this object is held.
    func bytes(ofTensor index: Int) throws(FileError) -> UnsafeRawBufferPointer {
        let byteCount = source.tensors[index].byteCount
        guard let place = source.place(ofTensor: index) else { return try copy(index) }
        return try map(place.file).bytes(place.offset..<place.offset + byteCount)
    }

    /// Has the system read the file of a tensor ahead.
    func prefetch(tensor index: Int) throws(FileError) {
        guard let place = source.place(ofTensor: index) else { return }
        try map(place.file).prefetch(place.offset..<place.offset + source.tensors[index].byteCount)
    }

    private func map(_ file: Int) throws(FileError) -> MappedFile {
        try maps.withLock { maps throws(FileError) in
            if let map = maps[file] { return map }
            let map = try MappedFile(source.files[file])
            maps[file] = map
            return map
        }
    }

    private func copy(_ index: Int) throws(FileError) -> UnsafeRawBufferPointer {
        let copy = OwnedBytes(byteCount: source.tensors[index].byteCount)
        try source.read(tensor: index, atByteOffset: 0, into: copy.buffer)
        copies.withLock { $0.append(copy) }
        return UnsafeRawBufferPointer(copy.buffer)
    }
}

/// Allocated bytes, aligned to 64.
final class OwnedBytes: Sendable {
    // Written once, before anybody else has it.
    nonisolated(unsafe) let buffer: UnsafeMutableRawBufferPointer

    init(byteCount: Int) { buffer = .allocate(byteCount: byteCount, alignment: 64) }

    deinit { buffer.deallocate() }
}
