import ByteIO
package import ContainerKit

extension ContainerFormat {
    /// Told by the magic at the end of a table: the index of a bundle, or a V1 checkpoint, which is refused by name.
    package static let tensorFlow = ContainerFormat(
        "TensorFlow", recognizes: { $0.file.byteCount >= TableFooter.byteCount && TableFooter.endsInMagic($0.tail) },
        open: { (probe) throws(FileError) in try TensorBundle.open(path: probe.file.path) })
}
