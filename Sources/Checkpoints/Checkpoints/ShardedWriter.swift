import JSONText
package import TensorCore

/// A model in several safetensors files, as transformers writes it.
package enum ShardFiles {
    /// Of the files, in their order: `model-00001-of-00002.safetensors`.
    package static func names(count: Int) -> [String] {
        if count == 1 { return ["model.safetensors"] }
        func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number) }
        return (1...count).map { "model-\(padded($0))-of-\(padded(count)).safetensors" }
    }

    /// The file beside them that says where each tensor is.
    ///
    /// - Parameters:
    ///   - shards: the tensors of each file.
    ///   - names: of the files.
    package static func index(_ shards: [[TensorInfo]], names: [String]) -> [UInt8] {
        var weightMap = JSONObject()
        let pairs = zip(shards, names).flatMap { shard, name in shard.map { ($0.name, name) } }
        for (tensor, name) in pairs.sorted(by: { $0.0 < $1.0 }) { weightMap[tensor] = .string(name) }
        let total = shards.joined().reduce(0) { $0 + $1.byteCount }
        let index: JSONValue = .object(["metadata": .object(["total_size": .integer(total)]), "weight_map": .object(weightMap)])
        return Array((index.text(.indented) + "\n").utf8)
    }
}
