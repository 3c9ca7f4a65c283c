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

    package init(of tensors: [(info: TensorInfo, checksum: CRC32C)]) {
        var hash = SHA256()
        for tensor in tensors.sorted(by: { $0.info.name.utf8.lexicographicallyPrecedes($1.info.name.utf8) }) {
            let dimensions = tensor.info.shape.dimensions.map(String.init).joined(separator: ",")
            hash.append("\(tensor.info.name)\t\(tensor.info.scalarType.rawValue)\t\(dimensions)\t\(tensor.checksum)\n".utf8)
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
