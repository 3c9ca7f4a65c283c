import Adapters
import ByteIO
import CommandLineKit
import TensorCore

/// Merging and unmerging an adapter of rank 16 on every linear layer of a model of TinyLlama's shapes.
struct MergeBenchmark {
    private let table: ProcessTable
    private static let rank = 16

    init(binaries: String, folder: String, results: BenchmarkResults) {
        table = ProcessTable("merge", binaries: binaries, folder: folder, memoryTarget: 512 << 20, results: results)
    }

    func run() throws {
        try table.makeFolder()
        let (dense, quantized, adapter) = (table.path("model.safetensors"), table.path("model.qnf"), table.path("rank16.lora"))
        let (merged, again, copy) = (table.path("merged"), table.path("again"), table.path("copy"))
        try RandomTensors.write(BenchmarkModel.tinyLlama.tensors, to: dense)
        if FilePath.kind(of: quantized) != .file { _ = try Process(table.tool("qconvert", "to-nf4", dense, "-o", quantized)) }
        try Self.writeAdapter(to: adapter)
        let (mergedDense, mergedQuantized) = (merged + ".safetensors", merged + ".qnf")
        print("\nqmerge on TinyLlama-1.1B shapes, with an adapter of rank \(Self.rank) on every linear layer,")
        print("\(NumberText.byteCount(try InputFile(path: adapter).byteCount)); measured as above; merges write their undo records\n")
        table.printHead()
        let mergeDense = table.tool("qmerge", dense, adapter, "-o", mergedDense)
        try table.compare("qmerge of bf16, cp", mergeDense, writing: mergedDense, ratio: 1.5) { [["cp", dense, copy]] }
        try table.compare("the same, cp + sync", mergeDense, writing: mergedDense, ratio: nil) { [["cp", dense, copy], ["sync", copy]] }
        let undoDense = table.tool("qmerge", "--unmerge", mergedDense, "-o", again)
        try table.compare("qmerge --unmerge of bf16, cp", undoDense, writing: again, ratio: nil) { [["cp", dense, copy]] }
        _ = try Process(["cmp", dense, again])
        try table.remove(mergedDense)
        try table.measure(
            "qmerge of NF4", table.tool("qmerge", quantized, adapter, "-o", mergedQuantized), writing: mergedQuantized, seconds: 2.5)
        try table.measure(
            "qmerge --unmerge of NF4", table.tool("qmerge", "--unmerge", mergedQuantized, "-o", again), writing: again, seconds: 1.5)
        _ = try Process(["cmp", quantized, again])
        try table.measure("qverify merge", table.tool("qverify", "merge", quantized, adapter, mergedQuantized), seconds: nil)
        for path in [mergedQuantized, again] { try table.remove(path) }
    }

    /// Writes an adapter whose deltas have about a tenth of the weights' norms, unless it is there already.
    private static func writeAdapter(to path: String) throws {
        guard FilePath.kind(of: path) != .file else { return }
        let layers = BenchmarkModel.tinyLlama.tensors.filter { $0.name.hasSuffix("_proj.weight") }
        let infos = layers.flatMap { layer in
            let module = String(layer.name.dropLast(".weight".count))
            let factors: [(AdapterPlan.Factor, [Int])] = [(.a, [rank, layer.dimensions[1]]), (.b, [layer.dimensions[0], rank])]
            return factors.compactMap { factor, dimensions in
                Shape(dimensions).flatMap { TensorInfo(name: AdapterPlan.name(of: module, factor), scalarType: .f32, shape: $0) }
            }
        }
        let ends = Set(layers.compactMap { $0.name.split(separator: ".").dropLast().last.map(String.init) })
        let plan = AdapterPlan(
            configuration: try AdapterConfiguration(rank: rank, alpha: 2 * Double(rank), targetModules: ends.sorted()),
            tensors: infos, baseFingerprint: nil, tool: "toolbench")
        let output = try AtomicOutput(destination: path, replaces: false)
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        for (index, info) in plan.tensors.enumerated() {
            var random = RandomGenerator(seed: 1, stream: UInt64(index))
            // Each element of 2 B A is a sum of 16 products: its deviation is 2 * 4 * 0.0158^2 = 0.002, that of the weights 0.02.
            try writer.write((0..<info.elementCount).map { _ in 0.0158 * random.normal() }, tensor: index)
        }
        try output.commit(try writer.finish())
    }
}
