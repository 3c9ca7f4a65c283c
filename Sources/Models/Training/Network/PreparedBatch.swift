import Architectures
import ByteIO

/// A batch with what all blocks need of it: positions, turned into angles where they are, and room for scores.
struct PreparedBatch {
    let batch: Batch
    /// Of each token in its sample.
    let positions: [Int]
    /// Of each rotation that layers have, [N, D / 2] each.
    let rotations: [RotaryEmbedding: Angles]
    let workerScratch: WorkerScratch

    struct Angles {
        let cosines: UnsafePointer<Float>
        let sines: UnsafePointer<Float>
        /// Keeps them.
        private let memory: FloatMemory

        /// - Parameters:
        ///   - positions: [N]
        init(_ rotary: RotaryEmbedding, positions: [Int], headWidth: Int) throws(FileError) {
            let half = headWidth / 2
            let tables = rotary.tables(positions: 0..<(positions.max() ?? -1) + 1, headWidth: headWidth)
            memory = try FloatMemory(count: 2 * positions.count * half)
            let cosines = memory.pointer, sines = memory.pointer + positions.count * half
            for (n, position) in positions.enumerated() {
                for i in 0..<half {
                    cosines[n * half + i] = tables.cosines[position * half + i]
                    sines[n * half + i] = tables.sines[position * half + i]
                }
            }
            (self.cosines, self.sines) = (UnsafePointer(cosines), UnsafePointer(sines))
        }
    }

    var positionCount: Int { batch.positionCount }
    var starts: [Int] { batch.starts }

    init(_ batch: Batch, _ configuration: ModelDescription, workerScratch: WorkerScratch) throws(FileError) {
        self.batch = batch
        self.workerScratch = workerScratch
        var positions: [Int] = []
        for (start, end) in zip(batch.starts, batch.starts.dropFirst()) { positions += 0..<end - start }
        self.positions = positions
        var rotations: [RotaryEmbedding: Angles] = [:]
        for layer in configuration.layers {
            guard let rotary = layer.attention.rotary, rotations[rotary] == nil else { continue }
            rotations[rotary] = try Angles(rotary, positions: positions, headWidth: layer.attention.headWidth)
        }
        self.rotations = rotations
    }
}
