import Glibc

// Whole-process times and memory of the tools, interleaved with `cp` and `cat` of the same files.
//   toolbench BIN [FOLDER]      BIN: folder of the tools; FOLDER: scratch, about 6 GB, kept for the next run
let arguments = CommandLine.arguments
guard arguments.count >= 2 else {
    print("usage: toolbench BIN [FOLDER]")
    exit(64)
}
do {
    let folder = arguments.count > 2 ? arguments[2] : "/tmp/qnf-bench"
    try ToolBenchmark(binaries: arguments[1], folder: folder).run()
    try RunBenchmark(binaries: arguments[1], folder: folder).run()
} catch {
    print("toolbench: error: \(error)")
    exit(2)
}
