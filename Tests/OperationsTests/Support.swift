import ByteIO
import Checkpoints
import Quantization
import Synchronization
import TensorCore
import TestSupport

@testable import Conversion
@testable import Streaming

/// Converts whatever lies at `source` to a .qnf.
@discardableResult
func convert(
    _ source: String, to path: String, settings: QuantizationSettings? = nil, rules: ConversionRules = ConversionRules(),
    castingTo type: ScalarType? = nil, threadCount: Int = 2, chunkElementCount: Int = 1 << 19, allowsNonfinite: Bool = false,
    replaces: Bool = false, progress: @escaping @Sendable (Int) -> Void = { _ in }
) throws -> ConversionReport {
    let plan = try ConversionPlan(
        try Checkpoint.open(source).takingPlainFloat8(), settings: settings, rules: rules, castingTo: type, toolVersion: "0.1.0",
        options: [])
    let resources = Resources(threadCount: threadCount, chunkElementCount: chunkElementCount, progress: progress)
    return try Conversion(plan, resources: resources, allowsNonfinite: allowsNonfinite).run(path: path, replaces: replaces)
}

/// All tensors of a .qnf but its companion files, by name.
func weights(at path: String) throws -> [String: StoredTensor] {
    try storedTensors(at: path).filter { !$0.key.hasPrefix(QNFMetadata.filePrefix) }
}

/// Adds up what is reported from any thread.
final class Counter: Sendable {
    private let sum = Mutex(0)

    var value: Int { sum.withLock { $0 } }

    func add(_ count: Int) { sum.withLock { $0 += count } }
}
