import ByteIO
import Checkpoints

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
extension ShardedWriter: MergeSink {}
