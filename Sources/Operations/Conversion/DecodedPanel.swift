import ByteIO
import Checkpoints
import Quantization
import Streaming
import TensorCore

/// Writes a weight of any encoding dense, chunk by chunk.
struct DecodedPanel {
    private let reader: ElementReader
    private let type: ScalarType
    private let path: String
    private let allowsNonfinite: Bool

    init(_ checkpoint: Checkpoint, _ tensor: LogicalTensor, _ type: ScalarType, allowsNonfinite: Bool) throws(FileError) {
        reader = try checkpoint.reader(of: tensor, order: .outputsByInputs, rounding: .none)
        self.type = type
        path = checkpoint.path
        self.allowsNonfinite = allowsNonfinite
    }

    /// - Parameters:
    ///   - range: elements of [out, in]; whole rows where the weight lies the other way.
    ///   - scratch: memory of the calling worker, by slot and bytes; three slots are used.
    ///   - write: takes bytes of the dense tensor and where in it they go.
    /// - Returns: what the type could not hold.
    func write(
        _ range: Range<Int>, scratch: (Int, Int) -> UnsafeMutableRawBufferPointer,
        to write: (UnsafeRawBufferPointer, Int) throws(FileError) -> Void
    ) throws(FileError) -> NarrowingCounts {
        let values = scratch(0, 4 * range.count), spare = scratch(1, 4 * range.count)
        try reader.read(range, stored: .init(start: nil, count: 0), spare: spare, into: values.bindMemory(to: Float.self))
        try check(UnsafeRawBufferPointer(values), from: range.lowerBound)
        let size = type.bitCount / 8
        let output = UnsafeMutableRawBufferPointer(rebasing: spare[..<(range.count * size)])
        let counts = FloatCast.cast(
            UnsafeRawBufferPointer(values), from: .f32, to: type, into: output, widened: scratch(2, 4 * range.count))
        guard reader.tensor.orientation == .inputsByOutputs else {
            try write(UnsafeRawBufferPointer(output), range.lowerBound * size)
            return counts
        }
        let sizes = Orientation.inputsByOutputs.sizes(of: Array(reader.tensor.shape.dimensions.suffix(2)))
        try PanelWriter(outputs: sizes.outputs, inputs: sizes.inputs, elementByteCount: size)
            .write(
                UnsafeRawBufferPointer(output), range, turnedIn: UnsafeMutableRawBufferPointer(rebasing: values[..<output.count]), to: write
            )
        return counts
    }

    /// A scale that is damaged spreads over all that it belongs to.
    private func check(_ floats: UnsafeRawBufferPointer, from start: Int) throws(FileError) {
        guard !allowsNonfinite, let first = FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: floats), of: .f32) else { return }
        throw FileError(
            path, at: "tensor '\(reader.tensor.name)'", "element \(start + first) of \(reader.tensor.typeName) is not a finite number",
            hint: "the file is damaged, or was made of a model with such values; `allowsNonfinite` writes them")
    }
}
