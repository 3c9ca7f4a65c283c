import ByteIO
package import ContainerKit

extension ContainerFormat {
    /// Told by its first four bytes.
    package static let gguf = ContainerFormat(
        "GGUF", recognizes: { $0.begins(with: "GGUF") }, open: { (probe) throws(FileError) in try GGUFSource(probe.file) })
}
