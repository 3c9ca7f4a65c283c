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
let levels = (0..<UInt32(QK_SIMD_COUNT)).map { qk_simd(rawValue: $0) }.filter { qk_simd_supports($0) }

func layeredModel(_ path: String) throws -> LayeredModel { try LayeredModel(try Checkpoint.open(path)) }

/// Pseudo-random tokens below `limit`.
func randomIDs(_ count: Int, below limit: Int, seed: UInt64) -> [Int32] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Int32.random(in: 0..<Int32(limit), using: &generator) }
}
