package import ByteIO
package import Checkpoints
package import JSONText
import TensorCore

/// Checksums of what was read from a source: compared with those the source keeps, and told in the lineage.
package struct SourceChecksums: Sendable {
    private let checkpoint: Checkpoint
    private let table: ChecksumTable

    package init(_ checkpoint: Checkpoint) {
        self.checkpoint = checkpoint
        table = ChecksumTable(tensorCount: checkpoint.source.tensors.count)
    }

    package func record(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int) {
        table.record(bytes, tensor: index, atByteOffset: offset)
    }

    /// The checksum of every tensor; each was read completely. One that differs from the stored one is an error.
    package func verified() throws(FileError) -> [CRC32C] {
        var result: [CRC32C] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        for (index, info) in checkpoint.source.tensors.enumerated() {
            guard let computed = table.checksum(ofTensor: index, byteCount: info.byteCount) else {
                preconditionFailure("tensor '\(info.name)' was not read completely")
            }
            if let stored = checkpoint.storedChecksum(ofTensor: index), stored != computed {
                throw FileError(
                    checkpoint.path, at: "tensor '\(info.name)'", "its checksum is \(computed), but the file says \(stored)",
                    hint: "the file is damaged; fetch it again")
            }
            try checkpoint.source.verifyPartChecksums(ofTensor: index, buffer: buffer)
            result.append(computed)
        }
        return result
    }

    /// What the lineage says of a source: kind, fingerprint, and each file with its size and the fingerprint of what it holds.
    package static func lineage(of checkpoint: Checkpoint, checksums: [CRC32C]?) -> JSONValue {
        let source = checkpoint.source
        func fingerprint(_ isIncluded: (Int) -> Bool) -> String {
            guard let checksums else { return "sha256:" + String(repeating: "0", count: 64) }
            let included = source.tensors.indices.filter { isIncluded($0) && QNFMetadata.isWeight(source.tensors[$0].name) }
            return Fingerprint(of: included.map { source.tensors[$0] }, checksums: included.map { checksums[$0] }).description
        }
        let files = source.files.enumerated().map { number, file -> JSONValue in
            .object([
                "name": .string(file.name), "bytes": .integer(file.byteCount),
                "fingerprint": .string(fingerprint { source.fileIndex(ofTensor: $0) == number }),
            ])
        }
        return .object([
            "kind": .string(checkpoint.kind.rawValue), "fingerprint": .string(fingerprint { _ in true }), "files": .array(files),
        ])
    }
}
