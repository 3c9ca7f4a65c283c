package import ByteIO
import Checkpoints
package import GGUFFormat
package import JSONText

/// What the lineage says of an imatrix file that scales were searched with.
package struct ImportanceNote: Sendable, Hashable {
    package let name: String
    /// CRC-32C of the file.
    package let checksum: String
    /// Texts that the file says that it is of.
    package let texts: [String]

    package init(_ file: ImportanceFile) throws(FileError) {
        name = FilePath.name(of: file.path)
        checksum = try CRC32C(of: file.file.allBytes(limit: ImportanceFile.byteCountLimit)).description
        texts = file.texts
    }

    package var document: JSONValue {
        .object(["name": .string(name), "crc32c": .string(checksum), "texts": .strings(texts)])
    }
}
