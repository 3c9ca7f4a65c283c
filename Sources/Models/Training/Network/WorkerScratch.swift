import ByteIO

/// Memory of one worker each, of which a worker asks only for its own.
final class WorkerScratch: Sendable {
    private let memory: FloatMemory
    private let count: Int

    init(workerCount: Int, count: Int) throws(FileError) {
        self.count = (count + 15) / 16 * 16
        memory = try FloatMemory(count: workerCount * self.count)
    }

    func pointer(_ worker: Int) -> UnsafeMutablePointer<Float> { memory.pointer + worker * count }
}
