import CKernels
import COpenBLAS
package import Parallelism
package import Transformer

/// What a model computes with.
package struct ComputeResources {
    package let pool: WorkerPool
    package let engine: MatrixEngine

    package init(pool: WorkerPool) {
        // The pool divides the work; OpenBLAS's own threads would only be in its way.
        openblas_set_num_threads(1)
        self.pool = pool
        engine = MatrixEngine(pool: pool)
    }
}
