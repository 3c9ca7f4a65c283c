package import CKernels
package import TensorCore

/// What a run uses random numbers for: each use has a stream of its own under the run's seed, so that nothing has to be
/// saved to go on after a restart. A run knows its seed and its step.
package enum RandomStreams {
    /// Streams of dropout layers take the numbers from here on.
    private static let firstDropoutSite: UInt32 = 16

    package static func split(seed: UInt64) -> RandomGenerator { generator(seed: seed, step: 0, site: 0) }

    package static func order(seed: UInt64, epoch: Int) -> RandomGenerator { generator(seed: seed, step: epoch, site: 1) }

    package static func initialization(seed: UInt64, tensor: Int) -> RandomGenerator { generator(seed: seed, step: tensor, site: 2) }

    package static func labels(seed: UInt64, batch: Int) -> RandomGenerator { generator(seed: seed, step: batch, site: 3) }

    /// The stream of one dropout layer at one step, for the kernels.
    package static func dropout(seed: UInt64, step: Int, layer: Int) -> qk_random_stream {
        qk_random_stream(
            seed: seed, step: UInt32(truncatingIfNeeded: step), site: firstDropoutSite + UInt32(truncatingIfNeeded: layer))
    }

    private static func generator(seed: UInt64, step: Int, site: UInt64) -> RandomGenerator {
        RandomGenerator(seed: seed, stream: UInt64(UInt32(truncatingIfNeeded: step)) | site << 32)
    }
}
