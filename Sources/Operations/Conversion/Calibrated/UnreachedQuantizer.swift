import Calibration
import Quantization
import TensorCore

/// In a file whose codes are calibrated, weights that calibration does not reach: each element by itself.
struct UnreachedQuantizer: WeightQuantizer {
    private let nearest = NearestQuantizer()

    var name: String { CalibratedQuantizer.name }

    func granularity(for shape: Shape, _ settings: QuantizationSettings) -> Int { nearest.granularity(for: shape, settings) }

    func quantize(
        _ source: RawSpan, of scalarType: ScalarType, elements range: Range<Int>, ofWeight name: String, _ settings: QuantizationSettings,
        packed: inout MutableRawSpan, absmax: inout MutableSpan<Float>
    ) -> Int? {
        nearest.quantize(source, of: scalarType, elements: range, ofWeight: name, settings, packed: &packed, absmax: &absmax)
    }
}
