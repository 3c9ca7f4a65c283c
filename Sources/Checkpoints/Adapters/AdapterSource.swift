package import ByteIO
import ContainerKit
package import TensorCore

/// The stored tensors of an adapter, under their own names, as any other set of tensors.
package struct AdapterSource: TensorSource {
    let stored: any TensorSource
    let checksums: [CRC32C]?

    package var path: String { stored.path }
    package var tensors: [TensorInfo] { stored.tensors }
    package var files: [InputFile] { stored.files }

    package func fileIndex(ofTensor index: Int) -> Int { stored.fileIndex(ofTensor: index) }

    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try stored.read(tensor: index, atByteOffset: offset, into: buffer)
    }

    package func place(ofTensor index: Int) -> (file: Int, offset: Int)? { stored.place(ofTensor: index) }

    package func storedChecksum(ofTensor index: Int) -> CRC32C? {
        guard let checksums, index < checksums.count else { return nil }
        return checksums[index]
    }
}

extension Adapter {
    /// Whether what lies at a path looks like an adapter of any kind, rather than like a model.
    ///
    /// Of a file only the beginning is read, where `.lora` files carry their version, and GGUF files say what they are.
    package static func isPresent(at path: String) -> Bool {
        switch FilePath.kind(of: path) {
        case .missing, .other: return false
        case .folder:
            let names = (try? FilePath.entries(of: path)) ?? []
            return ModelFolder.adapterNames.contains(where: names.contains) && !ModelFolder.holdsModel(names)
        case .file:
            if [configurationName, weightsName, mlxWeightsName].contains(FilePath.name(of: path)) { return true }
            guard let file = try? InputFile(path: path), let head = try? file.bytes(atOffset: 0, count: min(file.byteCount, 1 << 16)) else {
                return false
            }
            return isGGUFAdapter(head: head) || holds(Array("\"\(AdapterMetadata.Key.version)\"".utf8), in: head)
        }
    }
}
