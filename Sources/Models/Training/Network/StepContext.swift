import CKernels
import Parallelism
import Records
import Transformer

/// What all layers of one pass share.
struct StepContext {
    let resources: ComputeResources
    /// Whether elements are dropped.
    let isTraining: Bool
    let seed: UInt64
    /// Batches seen before this one in the whole run: each drops other elements.
    let batchNumber: Int
    /// Nil where experts may be as busy as they come.
    var balance: RouterBalance?

    var pool: WorkerPool { resources.pool }
    var engine: MatrixEngine { resources.engine }

    func dropoutStream(_ layer: Int) -> qk_random_stream { RandomStreams.dropout(seed: seed, step: batchNumber, layer: layer) }
}
