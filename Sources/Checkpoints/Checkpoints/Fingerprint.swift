package import ByteIO
package import TensorCore

/// What identifies a model's weights, whatever file holds them.
///
/// SHA-256 over one line a tensor, sorted by the bytes of the name: name, type, shape and the CRC-32C of its bytes,
/// separated by tabs, each line ended by a line feed. Two files with the same tensors have the same fingerprint
/// wherever the tensors lie; it guards against mistakes, not against forgery (a CRC can be matched on purpose).
package struct Fingerprint: Hashable, Sendable, CustomStringConvertible {
    /// `sha256:` and 64 hexadecimal digits.
    package let description: String

    /// A text as long as every fingerprint, to set room aside.
    static let placeholder = "sha256:" + String(repeating: "0", count: 64)

    /// - Parameter isIncluded: whether a tensor of this name counts; companion files do not.
    package init<Tensors: RandomAccessCollection>(
        of tensors: Tensors, checksums: [CRC32C], where isIncluded: (String) -> Bool = { _ in true }
    ) where Tensors.Element == TensorInfo, Tensors.Index == Int {
        precondition(tensors.count == checksums.count, "every tensor has its checksum")
        var hash = SHA256()
        let order = tensors.indices.filter { isIncluded(tensors[$0].name) }
            .sorted { tensors[$0].name.utf8.lexicographicallyPrecedes(tensors[$1].name.utf8) }
        for index in order {
            let tensor = tensors[index]
            let dimensions = tensor.shape.dimensions.map(String.init).joined(separator: ",")
            hash.append(Array("\(tensor.name)\t\(tensor.scalarType.rawValue)\t\(dimensions)\t\(checksums[index])\n".utf8))
        }
        description = "sha256:" + hash.finish()
    }

    /// From its own text; nil where it is not of this form.
    package init?(_ text: String) {
        let digits = text.utf8.dropFirst(7)
        guard text.hasPrefix("sha256:"), digits.count == 64,
            digits.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        description = text
    }
}
