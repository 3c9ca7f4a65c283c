package import ByteIO
package import Checkpoints
package import JSONText
package import TensorCore

/// What a lineage says of a source, and what it needs for that: which tensors lie in which file.
package struct SourceDescription: Sendable {
    package let kind: String
    package let files: [(name: String, byteCount: Int)]
    package let tensors: [TensorInfo]
    /// Of each tensor, an index of `files`.
    package let fileIndices: [Int]

    package init(kind: String, files: [(name: String, byteCount: Int)], tensors: [TensorInfo], fileIndices: [Int]) {
        precondition(tensors.count == fileIndices.count, "every tensor lies in a file")
        self.kind = kind
        self.files = files
        self.tensors = tensors
        self.fileIndices = fileIndices
    }

    package init(_ checkpoint: Checkpoint) {
        let source = checkpoint.source
        self.init(
            kind: checkpoint.kind.title, files: source.files.map { ($0.name, $0.byteCount) }, tensors: source.tensors,
            fileIndices: source.tensors.indices.map { source.fileIndex(ofTensor: $0) })
    }

    /// Kind, fingerprint, and each file with its size and the fingerprint of what it holds.
    ///
    /// - Parameter checksums: of each tensor; nil for a text of the same length.
    package func document(checksums: [CRC32C]?) -> JSONValue {
        func fingerprint(_ isIncluded: (Int) -> Bool) -> String {
            guard let checksums else { return "sha256:" + String(repeating: "0", count: 64) }
            let included = tensors.indices.filter { isIncluded($0) && QNFMetadata.isWeight(tensors[$0].name) }
            return Fingerprint(of: included.map { tensors[$0] }, checksums: included.map { checksums[$0] }).description
        }
        let files = files.enumerated().map { number, file -> JSONValue in
            .object([
                "name": .string(file.name), "bytes": .integer(file.byteCount),
                "fingerprint": .string(fingerprint { fileIndices[$0] == number }),
            ])
        }
        return .object(["kind": .string(kind), "fingerprint": .string(fingerprint { _ in true }), "files": .array(files)])
    }
}
