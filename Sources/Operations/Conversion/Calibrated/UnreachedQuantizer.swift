import Quantization
import TensorCore

/// In a file whose codes are chosen for all of a weight at once, weights that this does not reach: each element by itself.
struct UnreachedQuantizer: WeightQuantizer {
    private let nearest = NearestQuantizer()
    /// Of how the others are chosen.
    let name: String

    init(name: String) { self.name = name }

    func granularity(for shape: Shape, _ settings: QuantizationSettings) -> Int { nearest.granularity(for: shape, settings) }

    func quantize(
        _ source: RawSpan, of scalarType: ScalarType, elements range: Range<Int>, ofWeight name: String, _ settings: QuantizationSettings,
        packed: inout MutableRawSpan, absmax: inout MutableSpan<Float>
    ) -> Int? {
        nearest.quantize(source, of: scalarType, elements: range, ofWeight: name, settings, packed: &packed, absmax: &absmax)
    }
}
