import JSONText
import Platform

// Whole-process times and memory of the tools, interleaved with `cp` and `cat` of the same files.
//   toolbench BIN [FOLDER] [--only tools|merge|run|train|large] [--json FILE] [--python PYTHON]
//     BIN       folder of the tools
//     FOLDER    scratch, about 9 GB, kept for the next run
//     --only    one of the tables; large (Mistral 7B's shapes) only where it is asked for: 19 GB of scratch, many minutes
//     --json    all figures and the machine in one document
//     --python  has llama-cpp-python and gguf: llama.cpp is timed on the same shapes, each model's right after ours
let arguments = CommandLine.arguments
do {
    let options = try BenchmarkOptions(Array(arguments.dropFirst()))
    let results = try BenchmarkResults(binaries: options.binaries, folder: options.folder)
    let (binaries, folder) = (options.binaries, options.folder)
    let runs = RunBenchmark(binaries: binaries, folder: folder, python: options.python, results: results)
    let training = TrainBenchmark(binaries: binaries, folder: folder, results: results)
    print("\(results.machine["processor"]?.string ?? "unknown processor"), \(results.level)\n")
    if options.runs("tools") { try ToolBenchmark(binaries: binaries, folder: folder, results: results).run() }
    if options.runs("merge") { try MergeBenchmark(binaries: binaries, folder: folder, results: results).run() }
    if options.runs("run") { try runs.run() }
    if options.runs("train") { try training.run() }
    if options.runs("large") {
        try runs.runLarge()
        try training.runLarge()
    }
    if let json = options.json { try results.write(to: json) }
} catch let error as BenchmarkOptions.Usage {
    print(error.description)
    exit(64)
} catch {
    print("toolbench: error: \(error)")
    exit(2)
}
