import ByteIO
import Transformer

/// A batch with what all blocks need of it: positions, turned into angles where they are, and room for scores.
struct PreparedBatch {
    let batch: Batch
    /// Of each token in its sample.
    let positions: [Int]
    /// [N, D / 2] each; nil where positions are learned.
    let rotary: (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>)?
    let workerScratch: WorkerScratch
    /// Keeps the angles.
    private let angles: FloatMemory?

    var positionCount: Int { batch.positionCount }
    var starts: [Int] { batch.starts }

    init(_ batch: Batch, _ configuration: ModelConfiguration, workerScratch: WorkerScratch) throws(FileError) {
        self.batch = batch
        self.workerScratch = workerScratch
        var positions: [Int] = []
        for (start, end) in zip(batch.starts, batch.starts.dropFirst()) { positions += 0..<end - start }
        self.positions = positions
        guard let embedding = configuration.rotary else {
            rotary = nil
            angles = nil
            return
        }
        let half = configuration.headWidth / 2
        let tables = embedding.tables(positions: 0..<batch.longestSampleCount, headWidth: configuration.headWidth)
        let memory = try FloatMemory(count: 2 * positions.count * half)
        let cosines = memory.pointer, sines = memory.pointer + positions.count * half
        for (n, position) in positions.enumerated() {
            for i in 0..<half {
                cosines[n * half + i] = tables.cosines[position * half + i]
                sines[n * half + i] = tables.sines[position * half + i]
            }
        }
        rotary = (UnsafePointer(cosines), UnsafePointer(sines))
        angles = memory
    }
}
