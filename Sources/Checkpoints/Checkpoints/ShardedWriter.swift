package import ByteIO
import ContainerKit
import JSONText
import SafetensorsFormat
package import TensorCore

/// Writes the weights of a model as safetensors files, one that stands alone or those of a folder, in a stream.
///
/// Tensors are counted through all files, in the order in which the shards have them.
package struct ShardedWriter: Sendable {
    /// One file.
    package struct Shard: Sendable {
        package let name: String
        /// In the order of the data.
        package let tensors: [TensorInfo]
        /// Besides what a writer adds once everything is known.
        package let metadata: [(key: String, value: String)]

        package init(name: String, tensors: [TensorInfo], metadata: [(key: String, value: String)] = ShardedWriter.metadata) {
            self.name = name
            self.tensors = tensors
            self.metadata = metadata
        }
    }

    /// What transformers asks for.
    package static let metadata = [(key: "format", value: "pt")]
    package static let indexName = "model.safetensors.index.json"

    package let shards: [Shard]
    package let files: [OutputFile]
    private let writers: [SafetensorsWriter]
    /// Of each tensor: its file, and its index there.
    private let places: [(file: Int, tensor: Int)]

    /// - Parameters:
    ///   - isFolder: whether the shards are files of a folder; else there is one.
    ///   - trailing: bytes with their greatest length that follow the tensors of a file that stands alone.
    ///   - added: room for what `finish` adds to the metadata.
    package init(
        _ shards: [Shard], to output: borrowing AtomicOutput, isFolder: Bool, trailing: TensorInfo? = nil,
        adding added: [(key: String, value: String)] = []
    ) throws(FileError) {
        precondition(isFolder || shards.count == 1, "a file that stands alone is one")
        var files: [OutputFile] = []
        var writers: [SafetensorsWriter] = []
        var places: [(file: Int, tensor: Int)] = []
        for (number, shard) in shards.enumerated() {
            let file = isFolder ? try output.createFile(named: shard.name) : try output.file()
            files.append(file)
            writers.append(
                try SafetensorsWriter(
                    file: file, plan: shard.tensors + (trailing.map { [$0] } ?? []), trailingCount: trailing == nil ? 0 : 1,
                    metadata: shard.metadata + added))
            places += shard.tensors.indices.map { (number, $0) }
        }
        self.shards = shards
        self.files = files
        self.writers = writers
        self.places = places
    }

    /// Bytes of tensor `index` from byte `offset` of it on. May be called from any thread.
    package func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int = 0) throws(FileError) {
        try writers[places[index].file].write(bytes, tensor: places[index].tensor, atByteOffset: offset)
    }

    /// Bytes of tensor `index` that were written.
    package func read(stored index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try writers[places[index].file].read(tensor: places[index].tensor, atByteOffset: offset, into: buffer)
    }

    /// Bytes of the trailing tensor, in order.
    package func writeStreamed(_ bytes: [UInt8], atByteOffset offset: Int) throws(FileError) {
        try writers[0].writeStreamed(bytes, atByteOffset: offset)
    }

    /// Writes the headers; every tensor has been written completely.
    package func finish(streamedByteCount: Int? = nil, adding added: [(key: String, value: String)] = []) throws(FileError) {
        for (writer, shard) in zip(writers, shards) {
            try writer.finish(streamedByteCount: streamedByteCount) { _ in shard.metadata + added }
        }
    }

    /// Names of as many files: `model-00001-of-00002.safetensors`.
    package static func names(count: Int) -> [String] {
        if count == 1 { return ["model.safetensors"] }
        func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number) }
        return (1...count).map { "model-\(padded($0))-of-\(padded(count)).safetensors" }
    }

    /// The file beside them that says where each tensor is.
    package var index: [UInt8] { Self.index(of: shards) }

    package static func index(of shards: [Shard]) -> [UInt8] {
        var weightMap = JSONObject()
        let pairs = shards.flatMap { shard in shard.tensors.map { ($0.name, shard.name) } }
        for (tensor, name) in pairs.sorted(by: { $0.0 < $1.0 }) { weightMap[tensor] = .string(name) }
        let total = shards.reduce(0) { $1.tensors.reduce($0) { $0 + $1.byteCount } }
        let index: JSONValue = .object(["metadata": .object(["total_size": .integer(total)]), "weight_map": .object(weightMap)])
        return Array((index.text(.indented) + "\n").utf8)
    }
}
