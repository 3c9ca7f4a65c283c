import ByteIO
package import ContainerKit

extension ContainerFormat {
    /// What `torch.save` writes: a zip archive, or the pickles of the versions before 1.6.
    ///
    /// A header of 640 bytes makes a safetensors file begin like a pickle: those are to be asked first.
    package static let pyTorch = ContainerFormat(
        "PyTorch",
        recognizes: { probe in
            if probe.begins(with: "PK\u{3}\u{4}") { return true }
            let head = probe.head
            return head.count > 2 && head[0] == 0x80 && (2...5).contains(head[1])
        },
        open: { (probe) throws(FileError) in try PyTorchFile(probe.file) })
}
