import JSONText
import TensorCore

/// The index of a model in several safetensors files, as transformers writes it.
enum ShardIndexText {
    /// - Parameters:
    ///   - shards: the tensors of each file.
    ///   - names: of the files.
    static func bytes(_ shards: [[TensorInfo]], names: [String]) -> [UInt8] {
        var weightMap = JSONObject()
        let pairs = zip(shards, names).flatMap { shard, name in shard.map { ($0.name, name) } }
        for (tensor, name) in pairs.sorted(by: { $0.0 < $1.0 }) { weightMap[tensor] = .string(name) }
        let total = shards.joined().reduce(0) { $0 + $1.byteCount }
        let index: JSONValue = .object(["metadata": .object(["total_size": .integer(total)]), "weight_map": .object(weightMap)])
        return Array((index.text(.indented) + "\n").utf8)
    }
}
