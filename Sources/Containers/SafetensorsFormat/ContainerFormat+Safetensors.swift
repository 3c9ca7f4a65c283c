import ByteIO
package import ContainerKit

extension ContainerFormat {
    /// Told by how a file begins: a length below 4 GB, and an object.
    ///
    /// To be asked first: a header of 640 bytes makes a file begin like a pickle, one of 35615 like a gzip archive.
    package static let safetensors = ContainerFormat(
        "safetensors",
        recognizes: { probe in
            let head = probe.head
            return head.count > 8 && head[8] == UInt8(ascii: "{") && head[4..<8].allSatisfy { $0 == 0 }
        },
        open: { (probe) throws(FileError) in try SafetensorsFile(probe.file) })
}
