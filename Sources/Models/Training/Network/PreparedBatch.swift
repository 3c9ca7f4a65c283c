import Architectures
import Records
import Transformer

/// A batch with what all blocks need of it: positions, turned into angles where they are, and room for scores.
struct PreparedBatch {
    let batch: Batch
    /// Of each token in its sample.
    let positions: [Int]
    let rotations: Rotations
    let workerScratch: WorkerScratch

    var positionCount: Int { batch.positionCount }
    var starts: [Int] { batch.starts }

    init(_ batch: Batch, _ configuration: ModelDescription, workerScratch: WorkerScratch) {
        self.batch = batch
        self.workerScratch = workerScratch
        var positions: [Int] = []
        for (start, end) in zip(batch.starts, batch.starts.dropFirst()) { positions += 0..<end - start }
        self.positions = positions
        rotations = Rotations(of: configuration, positions: positions)
    }
}
