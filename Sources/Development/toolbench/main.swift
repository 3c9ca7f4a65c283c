import Glibc

// Whole-process times and memory of the tools, interleaved with `cp` and `cat` of the same files.
//   toolbench BIN [FOLDER] [--only tools|merge|run|train|large]
//     BIN      folder of the tools
//     FOLDER   scratch, about 9 GB, kept for the next run
//     --only   one of the tables; large (Mistral 7B's shapes) only where it is asked for: 19 GB of scratch, many minutes
let arguments = CommandLine.arguments
do {
    let options = try BenchmarkOptions(Array(arguments.dropFirst()))
    if options.runs("tools") { try ToolBenchmark(binaries: options.binaries, folder: options.folder).run() }
    if options.runs("merge") { try MergeBenchmark(binaries: options.binaries, folder: options.folder).run() }
    if options.runs("run") { try RunBenchmark(binaries: options.binaries, folder: options.folder).run() }
    if options.runs("train") { try TrainBenchmark(binaries: options.binaries, folder: options.folder).run() }
    if options.runs("large") {
        try RunBenchmark(binaries: options.binaries, folder: options.folder).runLarge()
        try TrainBenchmark(binaries: options.binaries, folder: options.folder).runLarge()
    }
} catch let error as BenchmarkOptions.Usage {
    print(error.description)
    exit(64)
} catch {
    print("toolbench: error: \(error)")
    exit(2)
}
