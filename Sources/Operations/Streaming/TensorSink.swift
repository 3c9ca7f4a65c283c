package import ByteIO
package import Checkpoints

/// Takes the bytes of what is written, tensor by tensor, from any thread.
package protocol TensorSink: Sendable {
    /// Bytes of a stored tensor of the output from byte `offset` of it on.
    func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError)
}

extension TensorSink {
    /// All bytes of a small stored tensor.
    package func write(_ bytes: [UInt8], stored index: Int) throws(FileError) {
        try bytes.withBytes { buffer throws(FileError) in try write(buffer, stored: index, atByteOffset: 0) }
    }
}

extension QNFWriter: TensorSink {}
extension ShardedWriter: TensorSink {}
