import ByteIO
import TensorCore

extension TensorSource {
    /// Reads a tensor at once and in two parts, which must be the same bytes.
    func readAll(_ index: Int) throws(FileError) {
        let byteCount = tensors[index].byteCount
        require((0..<files.count).contains(fileIndex(ofTensor: index)), "a tensor lies in one of the files")
        guard byteCount <= 1 << 20 else { return }
        let whole = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
        let parts = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
        defer {
            whole.deallocate()
            parts.deallocate()
        }
        whole.initializeMemory(as: UInt8.self, repeating: 1)
        parts.initializeMemory(as: UInt8.self, repeating: 2)
        try read(tensor: index, atByteOffset: 0, into: whole)
        let middle = byteCount / 3
        try read(tensor: index, atByteOffset: 0, into: UnsafeMutableRawBufferPointer(rebasing: parts[..<middle]))
        try read(tensor: index, atByteOffset: middle, into: UnsafeMutableRawBufferPointer(rebasing: parts[middle...]))
        require(whole.elementsEqual(parts), "a tensor is the same however it is read")
    }
}
