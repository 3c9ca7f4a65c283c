import Architectures
import CKernels
import Calibration
import Checkpoints
import ModelLoading
import Parallelism
import TestSupport
import Transformer

extension MatrixEngine {
    static func test(threads: Int = 2, level: qk_simd = qk_simd_best()) -> MatrixEngine {
        MatrixEngine(pool: WorkerPool(threadCount: threads), level: level)
    }
}

/// Every level that this processor has.
let levels = [QK_SCALAR, QK_AVX2, QK_AVX512].filter { $0.rawValue <= qk_simd_best().rawValue }

func layeredModel(_ path: String) throws -> LayeredModel { try LayeredModel(try Checkpoint.open(path)) }

/// Pseudo-random tokens below `limit`.
func randomIDs(_ count: Int, below limit: Int, seed: UInt64) -> [Int32] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Int32.random(in: 0..<Int32(limit), using: &generator) }
}
