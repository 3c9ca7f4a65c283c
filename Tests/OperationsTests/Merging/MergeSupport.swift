import Adapters
import ByteIO
import Checkpoints
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport

@testable import Merging
@testable import Streaming

/// Merges adapters into whatever lies at `base`.
@discardableResult
func merge(
    _ base: String, _ adapters: [(path: String, weight: Double)], to path: String, form: MergePlan.Form? = nil, reference: String? = nil,
    keepsUndo: Bool = true, threadCount: Int = 2
) throws -> MergeOutcome {
    let checkpoint = try Checkpoint.open(base)
    let plan = try MergePlan(
        base: checkpoint, reference: try reference.map(Checkpoint.open),
        adapters: try adapters.map { WeightedAdapter(try Adapter.open($0.path), weight: $0.weight) },
        form: form ?? (checkpoint.kind == .qnf ? .qnf : .sameFiles), keepsUndo: keepsUndo)
    let resources = Resources(threadCount: threadCount, chunkElementCount: 1 << 19)
    return try Merge(plan, resources: resources, toolVersion: "0.1.0", options: [])
        .run(path: path, isFolder: !path.hasSuffix(".qnf") && !path.hasSuffix(".safetensors"), replaces: false)
}

@discardableResult
func merge(_ base: String, _ adapter: String, to path: String, form: MergePlan.Form? = nil) throws -> MergeOutcome {
    try merge(base, [(adapter, 1)], to: path, form: form)
}

func unmerge(_ path: String, to output: String, all: Bool = false, threadCount: Int = 2) throws {
    try Unmerge(Checkpoint.open(path), all: all)
        .run(path: output, replaces: false, resources: Resources(threadCount: threadCount, chunkElementCount: 1 << 19))
}

/// Every file of a folder that a model is made of, or the one file, by name.
func modelFiles(_ path: String) throws -> [String: [UInt8]] {
    guard FilePath.kind(of: path) == .folder else { return ["": try InputFile(path: path).allBytes(limit: 1 << 26)] }
    var files: [String: [UInt8]] = [:]
    for name in try FilePath.entries(of: path) { files[name] = try InputFile(path: FilePath.join(path, name)).allBytes(limit: 1 << 26) }
    return files
}

/// Logical tensors of any checkpoint as their stored bytes, by name.
func storedWeights(_ path: String) throws -> [String: StoredTensor] {
    let tensors = try Checkpoint.open(path).source.storedTensors()
    return Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
}

/// An adapter of random factors for some modules of a model.
struct RandomAdapter {
    let folder: TemporaryFolder
    var path: String { folder.path }

    /// - Parameter modules: path of each linear layer with its outputs and inputs.
    init(
        _ modules: [(name: String, out: Int, in: Int)], rank: Int = 4, scale: Float = 0.1, seed: UInt64, members: [String: JSONValue] = [:]
    ) throws {
        var random = SeededGenerator(seed: seed)
        var tensors: [StoredTensor] = []
        for module in modules {
            let name = "base_model.model.\(module.name)"
            tensors.append(StoredTensor("\(name).lora_A.weight", [rank, module.in], random.normals(count: rank * module.in, scale: scale)))
            tensors.append(
                StoredTensor("\(name).lora_B.weight", [module.out, rank], random.normals(count: rank * module.out, scale: scale)))
        }
        var config = JSONObject(["lora_alpha": .integer(2 * rank), "peft_type": .string("LORA"), "r": .integer(rank)])
        for (key, value) in members.sorted(by: { $0.key < $1.key }) { config[key] = value }
        folder = try TemporaryFolder()
        try folder.write(JSONValue.object(config).text(.indented), to: "adapter_config.json")
        try folder.write(tensors.safetensors(metadata: ["format": "pt"]), to: "adapter_model.safetensors")
    }
}
