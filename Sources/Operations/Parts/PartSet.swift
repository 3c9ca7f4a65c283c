import ByteIO
import SafetensorsFormat
import Streaming
import TensorCore

/// All parts of one conversion: opened, and known to belong together.
package struct PartSet: Sendable {
    /// In order.
    package let parts: [PartFile]
    package let frame: PartFrame
    /// Of each tensor of the frame: its part, and its checksum.
    let owners: [(part: Int, checksum: CRC32C)]

    /// - Throws: `OperationError` where parts are missing, by their numbers; `FileError` where one is none, is damaged, is of another
    ///   conversion or there twice.
    package init(paths: [String]) throws {
        var byNumber: [Int: PartFile] = [:]
        var first: PartFile?
        for path in paths {
            let part = try PartFile(path: path)
            if let first, part.conversion != first.conversion || part.part.count != first.part.count {
                throw FileError(
                    path, "does not belong to \(first.path): \(part.difference(from: first))",
                    hint: "parts are made of one source by one version of the tool with the same options")
            }
            if let other = byNumber[part.part.number] {
                throw FileError(path, "is part \(part.part), and so is \(other.path)", hint: "name each part once")
            }
            first = first ?? part
            byNumber[part.part.number] = part
        }
        guard let first else { throw OperationError("no parts are given") }
        let count = first.part.count
        try PartNumber.checkPresence(of: Set(byNumber.keys), count: count)
        let parts = (1...count).compactMap { byNumber[$0] }
        self.parts = parts
        frame = try parts[0].frame()
        owners = try Self.owners(parts, frame)
    }

    /// Every tensor is in one part, and as long there as the frame says.
    private static func owners(_ parts: [PartFile], _ frame: PartFrame) throws(FileError) -> [(part: Int, checksum: CRC32C)] {
        var owners = [(part: Int, checksum: CRC32C)?](repeating: nil, count: frame.tensors.count)
        for (number, part) in parts.enumerated() {
            for (index, checksum) in part.record.tensors {
                guard owners.indices.contains(index) else {
                    throw FileError(part.path, "holds tensor \(index), but the output has \(owners.count)", hint: Self.hint)
                }
                let tensor = frame.tensors[index]
                guard owners[index] == nil else {
                    throw FileError(part.path, at: "tensor '\(tensor.name)'", "another part holds it, too", hint: Self.hint)
                }
                guard let place = part.index(of: tensor.name), part.file.tensors[place].byteCount == tensor.byteCount else {
                    throw FileError(
                        part.path, at: "tensor '\(tensor.name)'", "is missing or has another length than \(tensor.byteCount) bytes",
                        hint: Self.hint)
                }
                owners[index] = (number, checksum)
            }
        }
        if let index = owners.firstIndex(where: { $0 == nil }) {
            throw FileError(parts[0].path, at: "tensor '\(frame.tensors[index].name)'", "no part holds it", hint: Self.hint)
        }
        return owners.compactMap { $0 }
    }

    /// What all parts have found.
    package var results: PartResults { parts.reduce(into: PartResults()) { $0.append($1.record.results) } }

    /// The checksum of each tensor of the source.
    func sourceChecksums(count: Int) throws(FileError) -> [CRC32C] {
        var checksums = [CRC32C?](repeating: nil, count: count)
        for part in parts {
            for (index, checksum) in part.record.sources {
                guard checksums.indices.contains(index), checksums[index] == nil else {
                    throw FileError(
                        part.path, "tells of tensor \(index) of the source, of which there are \(count), twice", hint: Self.hint)
                }
                checksums[index] = checksum
            }
        }
        if let index = checksums.firstIndex(where: { $0 == nil }) {
            throw FileError(parts[0].path, "no part has read tensor \(index) of the source", hint: Self.hint)
        }
        return checksums.compactMap { $0 }
    }

    private static let hint = "the parts are damaged; make them again"
}
