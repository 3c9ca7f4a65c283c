package import ByteIO

/// Tensors that can be read piece by piece: every name, type, shape and place was validated when it was opened.
package protocol TensorSource: Sendable {
    /// Where the source came from, for messages.
    var path: String { get }

    /// All readable tensors, in the order of the source.
    var tensors: [TensorInfo] { get }

    /// Entries that are listed but have no numeric elements to read (TensorFlow's string tensors).
    var unreadableTensors: [UnreadableTensor] { get }

    /// The files the source consists of, in a fixed order.
    var files: [InputFile] { get }

    /// What the container says beside its tensors (`__metadata__` of safetensors), in the order of the files.
    var containerMetadata: [(key: String, value: String)] { get }

    /// Index into `files` of the file that holds the (first byte of the) tensor.
    func fileIndex(ofTensor index: Int) -> Int

    /// Fills `buffer` with bytes of tensor `index`, from byte `offset` of the tensor on. May be called from any thread.
    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError)

    /// Where the tensor's bytes lie in one piece: index into `files` and offset there; nil where they have to be put together.
    func place(ofTensor index: Int) -> (file: Int, offset: Int)?

    /// The checksum that the container keeps of all bytes of the tensor; nil where it keeps none.
    func storedChecksum(ofTensor index: Int) -> CRC32C?

    /// Where the container keeps checksums of parts of the tensor instead, reads it through `buffer` and compares them.
    func verifyPartChecksums(ofTensor index: Int, buffer: UnsafeMutableRawBufferPointer) throws(FileError)
}

extension TensorSource {
    package func storedChecksum(ofTensor index: Int) -> CRC32C? { nil }

    package func verifyPartChecksums(ofTensor index: Int, buffer: UnsafeMutableRawBufferPointer) throws(FileError) {}

    package var unreadableTensors: [UnreadableTensor] { [] }

    package var containerMetadata: [(key: String, value: String)] { [] }
}

/// An entry of a container that is no tensor of numbers.
package struct UnreadableTensor: Hashable, Sendable {
    package let name: String
    /// The container's own word for its type: `string`, `variant`.
    package let typeName: String
    package let shape: [Int]
    /// Bytes it takes in its file.
    package let byteCount: Int

    package init(name: String, typeName: String, shape: [Int], byteCount: Int) {
        self.name = name
        self.typeName = typeName
        self.shape = shape
        self.byteCount = byteCount
    }
}
