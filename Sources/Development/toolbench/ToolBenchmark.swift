import ByteIO
import CommandLineKit

/// Conversion, inspection and verification, beside `cp` and `cat` of the same files.
struct ToolBenchmark {
    private let table: ProcessTable

    init(binaries: String, folder: String, results: BenchmarkResults) {
        table = ProcessTable("tools", binaries: binaries, folder: folder, memoryTarget: 256 << 20, results: results)
    }

    func run() throws {
        try table.makeFolder()
        let (model, quantized, many) = (table.path("model.safetensors"), table.path("model.qnf"), table.path("many.safetensors"))
        try RandomTensors.write(BenchmarkModel.tinyLlama.tensors, to: model)
        try RandomTensors.write(RandomTensors.manySmall(), to: many)
        print("TinyLlama-1.1B shapes, bf16, \(NumberText.byteCount(try InputFile(path: model).byteCount)); files in the page cache;")
        print("medians of \(table.runCount) runs, each paired with its yardstick in turn; ratios are medians of the pairs' ratios;")
        print("what is written is written to a new file; `cp` leaves bringing it to disk to later, `sync` and the tools do not\n")
        table.printHead()
        let (copy, dense, folder) = (table.path("copy"), table.path("dense.safetensors"), table.path("dense"))
        try table.compare("qconvert to-nf4, cp", table.tool("qconvert", "to-nf4", model, "-o", quantized), writing: quantized, ratio: 1) {
            [["cp", model, copy]]
        }
        try table.compare(
            "qconvert to-nf4, cp + sync", table.tool("qconvert", "to-nf4", model, "-o", quantized), writing: quantized, ratio: nil
        ) {
            [["cp", model, copy], ["sync", copy]]
        }
        let toDense = table.tool("qconvert", "to-safetensors", quantized, "-o", dense)
        try table.compare("qconvert to-safetensors, cat + cp", toDense, writing: dense, ratio: 1.5) {
            [["cat", quantized], ["cp", dense, copy]]
        }
        try table.compare("the same, cat + cp + sync", toDense, writing: dense, ratio: nil) {
            [["cat", quantized], ["cp", dense, copy], ["sync", copy]]
        }
        let toFolder = table.tool("qconvert", "to-hf", "--dequantize", quantized, "-o", folder)
        try table.compare("qconvert to-hf --dequantize, cat + cp", toFolder, writing: folder, ratio: 1.5) {
            [["cat", quantized], ["cp", dense, copy]]
        }
        try table.remove(folder)
        try table.compare("qverify roundtrip, cat", table.tool("qverify", "roundtrip", model, quantized), ratio: 1.5) {
            [["cat", model, quantized]]
        }
        try table.compare("qinspect check, cat", table.tool("qinspect", "check", quantized), ratio: 1.5) { [["cat", quantized]] }
        try table.compare("qinspect check of bf16, cat", table.tool("qinspect", "check", model), ratio: 1.5) { [["cat", model]] }
        try table.measure("qinspect layers, 100,000 tensors", table.tool("qinspect", "layers", many), seconds: 0.5)
        try table.measure(
            "qconvert to-nf4, 100,000 tensors", table.tool("qconvert", "to-nf4", many, "-o", table.path("many.qnf"), "-f"), seconds: nil)
        try table.measure("qinspect layers of the .qnf", table.tool("qinspect", "layers", quantized), seconds: 0.02, showsMemory: false)
        for name in ["qconvert", "qinspect", "qmerge", "qverify"] {
            try table.measure("\(name) --version", table.tool(name, "--version"), seconds: 0.02, showsMemory: false)
        }
    }
}
