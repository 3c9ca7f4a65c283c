package import ByteIO
package import Checkpoints
import TensorCore

/// What tells one source from another before it is read: parts of a conversion are made at different times on different machines.
///
/// SHA-256 over the kind, names and lengths of the files, names, types, shapes and stored checksums of the tensors, checksums of the
/// companion files, and some bytes of the weights of each file: a model that was tuned has the same header, but other weights. It guards
/// against mistakes, not against forgery.
package enum SourceDigest {
    /// Tensors of a file that are looked into, evenly spaced, and bytes in the middle of each.
    private static let samplesPerFile = 8
    private static let sampleByteCount = 64

    package static func text(of checkpoint: Checkpoint) throws(FileError) -> String {
        let source = checkpoint.source
        var hash = SHA256()
        func append(_ text: String) { hash.append(Array("\(text)\n".utf8)) }
        append(checkpoint.kind.title)
        for file in source.files { append("\(file.name)\t\(file.byteCount)") }
        for file in checkpoint.guides { append("\(file.name)\t\(file.byteCount)") }
        var byFile = [[Int]](repeating: [], count: source.files.count)
        for (index, info) in source.tensors.enumerated() {
            let checksum = checkpoint.storedChecksum(ofTensor: index)
            append("\(info.name)\t\(info.scalarType.rawValue)\t\(info.shape)\t\(checksum?.description ?? "")")
            if info.byteCount > 0 { byFile[source.fileIndex(ofTensor: index)].append(index) }
        }
        for tensors in byFile {
            for number in 0..<min(samplesPerFile, tensors.count) {
                hash.append(try sample(tensors[number * tensors.count / min(samplesPerFile, tensors.count)], source))
            }
        }
        for file in checkpoint.files {
            if case .unreadable = file.content { continue }
            append("\(file.name)\t\(CRC32C(of: try file.bytes()))")
        }
        return "sha256:" + hash.finish()
    }

    private static func sample(_ index: Int, _ source: any TensorSource) throws(FileError) -> [UInt8] {
        let byteCount = source.tensors[index].byteCount, count = min(sampleByteCount, byteCount)
        return try [UInt8](count: count) { buffer throws(FileError) in
            try source.read(tensor: index, atByteOffset: (byteCount - count) / 2, into: buffer)
        }
    }
}
