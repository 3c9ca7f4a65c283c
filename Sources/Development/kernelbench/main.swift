import ByteIO

let words = CommandLine.arguments.dropFirst()
if words.first == "ids", words.count == 3 {
    try TokenDigests.write(folder: words[2], texts: words[3])
} else {
    // Speed of the kernels, on data larger than the caches. Build with -c release.
    Benchmark(elementCount: 1 << 25).run()
    print()
    BlockBenchmark().run()
    print()
    ColumnsBenchmark().run()
    print()
    GroupedBenchmark().run()
    print()
    MatrixBenchmark().run()
    print()
    try TokenizationBenchmark().run()
}
