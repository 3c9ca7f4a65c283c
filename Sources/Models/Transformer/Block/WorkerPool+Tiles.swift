package import Parallelism

extension WorkerPool {
    /// Runs `body` for consecutive ranges of at most `size` indices below `count`: at once where there is one only, which is not
    /// worth waking a thread.
    package func forTiles(of count: Int, size: Int, _ body: (Range<Int>) -> Void) {
        guard count > size else { return count > 0 ? body(0..<count) : () }
        forKernels(count: (count + size - 1) / size) { index, _ in
            body(index * size..<min((index + 1) * size, count))
        }
    }
}
