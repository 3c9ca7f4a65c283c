import JSONText
import Platform

// Whole-process times and memory of the tools, interleaved with `cp` and `cat` of the same files.
//   toolbench BIN [FOLDER] [--only TABLE]... [--json FILE] [--python PYTHON] [--llama-bench "PROGRAM OPTION..."]
//     BIN            folder of the tools
//     FOLDER         scratch, about 20 GB, kept for the next run
//     --only         one of the tables; context (16,384 tokens) and large (Mistral 7B's shapes) only where they are asked for:
//                    minutes, and of the latter 23 GB of scratch
//     --json         all figures and the machine in one document
//     --python       has llama-cpp-python: llama.cpp is timed on the same shapes, after each run of ours
//     --llama-bench  likewise a llama-bench of llama.cpp or of a fork, and options for it
let arguments = CommandLine.arguments
do {
    let options = try BenchmarkOptions(Array(arguments.dropFirst()))
    let results = try BenchmarkResults(binaries: options.binaries, folder: options.folder)
    let (binaries, folder) = (options.binaries, options.folder)
    let runs = RunBenchmark(binaries: binaries, folder: folder, peers: options.peers, results: results)
    let training = TrainBenchmark(binaries: binaries, folder: folder, results: results)
    print("\(results.machine["processor"]?.string ?? "unknown processor"), \(results.level)\n")
    if options.runs("tools") { try ToolBenchmark(binaries: binaries, folder: folder, results: results).run() }
    if options.runs("merge") { try MergeBenchmark(binaries: binaries, folder: folder, results: results).run() }
    if options.runs("run") { try runs.run() }
    if options.runs("families") { try runs.runFamilies() }
    if options.runs("train") { try training.run() }
    if options.runs("context") { try runs.runContexts() }
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
