import ByteIO
import Checkpoints
import SafetensorsFormat
import TensorCore

/// Takes the bytes of a merged model, tensor by tensor, from any thread.
protocol MergeSink: Sendable {
    /// Bytes of a stored tensor from byte `offset` of it on.
    func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError)

    /// Bytes of a stored tensor that were written.
    func read(stored index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError)
}

extension MergeSink {
    /// All bytes of a small stored tensor.
    func write<Element: BitwiseCopyable>(_ elements: [Element], stored index: Int) throws(FileError) {
        try elements.withBytes { buffer throws(FileError) in try write(buffer, stored: index, atByteOffset: 0) }
    }
}

extension QNFWriter: MergeSink {}

/// Dense tensors in one or several safetensors files.
struct DenseSink: MergeSink {
    let writers: [SafetensorsWriter]
    /// Of each stored tensor: its file, and its index there.
    let places: [(file: Int, tensor: Int)]

    func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        try writers[places[index].file].write(bytes, tensor: places[index].tensor, atByteOffset: offset)
    }

    func read(stored index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try writers[places[index].file].read(tensor: places[index].tensor, atByteOffset: offset, into: buffer)
    }
}
