package import TensorCore

/// Chooses the 4-bit codes of a weight.
package protocol WeightQuantizer: Sendable {
    /// What a .qnf says of it, under `quantizer` of its settings.
    var name: String { get }

    /// Elements that a chunk of a weight [out, in] begins at a multiple of, and is a multiple of unless it reaches the end: whole blocks.
    func granularity(for shape: Shape, _ settings: QuantizationSettings) -> Int

    /// Quantizes the elements `range` of a weight, as `BlockQuantizer` does: codes, and one constant for each block begun. May be called
    /// from any thread, for the chunks of a weight in any order.
    ///
    /// - Returns: the index in `source` of the first element that is not finite as a float32; nil where all are.
    func quantize(
        _ source: RawSpan, of scalarType: ScalarType, elements range: Range<Int>, ofWeight name: String, _ settings: QuantizationSettings,
        packed: inout MutableRawSpan, absmax: inout MutableSpan<Float>
    ) -> Int?
}

/// Each element by itself: the code that is nearest, as bitsandbytes on a CPU.
package struct NearestQuantizer: WeightQuantizer {
    package init() {}

    package var name: String { "bitsandbytes-0.50-cpu" }

    package func granularity(for shape: Shape, _ settings: QuantizationSettings) -> Int { settings.blockSize }

    package func quantize(
        _ source: RawSpan, of scalarType: ScalarType, elements range: Range<Int>, ofWeight name: String, _ settings: QuantizationSettings,
        packed: inout MutableRawSpan, absmax: inout MutableSpan<Float>
    ) -> Int? {
        BlockQuantizer.quantize(
            source, of: scalarType, as: settings.quantType, blockSize: settings.blockSize, packed: &packed, absmax: &absmax)
    }
}
