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
        var places: [Rotations.Place] = []
        for (start, end) in zip(batch.starts, batch.starts.dropFirst()) {
            // A sample is rotated as it would be alone, whatever lies beside it in the batch; its last token counts, though it
            // predicts nothing and is not run.
            places += (0..<end - start).map { .init(position: $0, length: end - start + 1) }
        }
        positions = places.map(\.position)
        rotations = Rotations(of: configuration, places: places)
    }
}
