import ByteIO
import JSONText
import PyTorchFormat
import TensorCore

/// Several files that together are one checkpoint, as `*.safetensors.index.json` or `*.bin.index.json` says; each may be of any container.
///
/// The index and the shards must agree completely: each tensor in exactly one shard, and in the one the index names.
final class ShardedSource: TensorSource {
    let path: String
    let tensors: [TensorInfo]
    let files: [InputFile]
    let indexFile: InputFile
    let unreadableTensors: [UnreadableTensor]
    /// Whether a shard is a file of PyTorch, which nothing here writes.
    var isPickled: Bool { shards.contains { $0 is PyTorchFile } }
    var containerMetadata: [(key: String, value: String)] { shards.flatMap(\.containerMetadata) }
    private let shards: [any TensorSource]
    /// Index into `files` of the first file of each shard.
    private let firstFiles: [Int]
    /// Shard and index within it of each tensor.
    private let places: [(shard: Int, tensor: Int)]
    /// What the index says the tensors take together; informative only, published ones are often wrong.
    let statedByteCount: Int?

    private static let indexByteCountLimit = 100_000_000
    private static let mixedHint = "index and shards are not of the same model or revision; fetch all of them again"

    /// - Parameters:
    ///   - indexFile: the `.index.json`; the shards lie in the same folder.
    ///   - openShard: opens the shard at a path.
    init(
        index indexFile: InputFile, openShard: (String) throws(FileError) -> any TensorSource = ContainerRegistry.openShard
    ) throws(FileError) {
        let indexPath = indexFile.path
        self.indexFile = indexFile
        let index = try ShardIndex(indexFile, byteCountLimit: Self.indexByteCountLimit)
        let folder = FilePath.folder(of: indexPath)
        let missing = index.shardNames.filter { FilePath.kind(of: FilePath.join(folder, $0)) != .file }
        guard missing.isEmpty else {
            throw FileError(
                indexPath, "\(missing.count) of \(index.shardNames.count) shards are missing: \(Self.listed(missing))",
                hint: "download them into \(folder)")
        }
        var shards: [any TensorSource] = []
        var tensors: [TensorInfo] = []
        var places: [(shard: Int, tensor: Int)] = []
        var holders: [ByteKey: String] = [:]
        for (number, name) in index.shardNames.enumerated() {
            let shard = try openShard(FilePath.join(folder, name))
            for (position, info) in shard.tensors.enumerated() {
                if let other = holders.updateValue(name, forKey: ByteKey(info.name)) {
                    throw FileError(shard.path, at: "tensor '\(info.name)'", "is also in shard '\(other)'", hint: Self.mixedHint)
                }
                guard let stated = index.shardOfTensor[ByteKey(info.name)] else {
                    throw FileError(
                        shard.path, at: "tensor '\(info.name)'", "is not in the index \(FilePath.name(of: indexPath))",
                        hint: Self.mixedHint)
                }
                guard stated == name else {
                    throw FileError(
                        shard.path, at: "tensor '\(info.name)'", "is here, but the index says it is in '\(stated)'", hint: Self.mixedHint)
                }
                tensors.append(info)
                places.append((number, position))
            }
            shards.append(shard)
        }
        let absent = index.shardOfTensor.keys.filter { holders[$0] == nil }
        if let first = absent.min(by: { NaturalOrder.precedes($0.text, $1.text) }), let stated = index.shardOfTensor[first] {
            throw FileError(
                indexPath, at: "tensor '\(first.text)'",
                "should be in '\(stated)', but is not there (\(absent.count) of \(index.shardOfTensor.count) tensors are missing)",
                hint: Self.mixedHint)
        }
        path = indexPath
        self.shards = shards
        self.tensors = tensors
        self.places = places
        files = shards.flatMap(\.files)
        firstFiles = shards.indices.map { number in shards[..<number].reduce(0) { $0 + $1.files.count } }
        unreadableTensors = shards.flatMap(\.unreadableTensors)
        statedByteCount = index.totalByteCount
    }

    func fileIndex(ofTensor index: Int) -> Int {
        let place = places[index]
        return firstFiles[place.shard] + shards[place.shard].fileIndex(ofTensor: place.tensor)
    }

    func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
        let place = places[index]
        return shards[place.shard].place(ofTensor: place.tensor).map { (firstFiles[place.shard] + $0.file, $0.offset) }
    }

    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let place = places[index]
        try shards[place.shard].read(tensor: place.tensor, atByteOffset: offset, into: buffer)
    }

    func storedChecksum(ofTensor index: Int) -> CRC32C? {
        let place = places[index]
        return shards[place.shard].storedChecksum(ofTensor: place.tensor)
    }

    func verifyPartChecksums(ofTensor index: Int, buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let place = places[index]
        try shards[place.shard].verifyPartChecksums(ofTensor: place.tensor, buffer: buffer)
    }

    private static func listed(_ names: [String]) -> String {
        let shown = names.prefix(5).joined(separator: ", ")
        return names.count > 5 ? "\(shown) and \(names.count - 5) more" : shown
    }
}

/// The parsed `*.safetensors.index.json`: which shard holds which tensor.
private struct ShardIndex {
    var shardOfTensor: [ByteKey: String] = [:]
    /// Sorted, each once.
    var shardNames: [String] = []
    var totalByteCount: Int?

    init(_ file: InputFile, byteCountLimit: Int) throws(FileError) {
        let path = file.path
        let bytes = try file.allBytes(limit: byteCountLimit)
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch {
            throw FileError(path, at: "byte \(error.offset)", error.message)
        }
        guard let weightMap = document["weight_map"]?.object else {
            throw FileError(
                path, "is JSON, but without an object 'weight_map', so it is no index of safetensors shards",
                hint: "if it came in place of a model, it is the server's answer: look into it, and fetch the file again")
        }
        for member in weightMap.members {
            guard let shard = member.value.string else {
                throw FileError(
                    path, at: "weight_map '\(member.key)'", "is \(member.value.text(.compact)), but the name of a file is expected")
            }
            // A name that leads out of the folder would let a downloaded index read any file.
            guard FilePath.isPlainName(shard) else {
                throw FileError(
                    path, at: "weight_map '\(member.key)'", "'\(shard)' is no name of a file in this folder",
                    hint: "do not use this index: it would have other files read")
            }
            shardOfTensor[ByteKey(member.key)] = shard
        }
        guard !shardOfTensor.isEmpty else { throw FileError(path, "lists no tensors") }
        shardNames = Set(shardOfTensor.values).sorted()
        totalByteCount = document["metadata"]?["total_size"]?.integer
    }
}
