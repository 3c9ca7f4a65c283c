package import ByteIO
package import Checkpoints
import TensorCore

extension Checkpoint {
    /// What identifies the weights: as a .qnf states it, or from every byte, which takes as long as reading them.
    package func weightFingerprint() throws(FileError) -> String {
        if let metadata { return metadata.fingerprint.description }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var checksums: [CRC32C] = []
        for (index, info) in source.tensors.enumerated() {
            var checksum = CRC32C()
            for offset in stride(from: 0, to: info.byteCount, by: buffer.count) {
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, info.byteCount - offset)])
                try source.read(tensor: index, atByteOffset: offset, into: part)
                checksum.append(UnsafeRawBufferPointer(part))
            }
            checksums.append(checksum)
        }
        return Fingerprint(of: source.tensors, checksums: checksums).description
    }
}
