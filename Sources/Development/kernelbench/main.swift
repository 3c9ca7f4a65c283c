// Speed of the kernels, on data larger than the caches. Build with -c release.
Benchmark(elementCount: 1 << 25).run()
print()
BlockBenchmark().run()
print()
MatrixBenchmark().run()
print()
try TokenizationBenchmark().run()
