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
        let size = type.bitCount / 8
        guard let (run, decodedType) = try reader.run(range) else { preconditionFailure("an encoded weight is decoded") }
        let output = scratch(1, range.count * size)
        var counts = NarrowingCounts()
        for piece in Chunks.ranges(count: range.count, limit: Resources.pieceElementCount, unit: run.granularity) {
            let values = scratch(0, 4 * piece.count)
            try run.decode(range.lowerBound + piece.lowerBound..<range.lowerBound + piece.upperBound, as: decodedType, into: values)
            try check(UnsafeRawBufferPointer(values), from: range.lowerBound + piece.lowerBound)
            let bytes = UnsafeMutableRawBufferPointer(rebasing: output[piece.lowerBound * size..<piece.upperBound * size])
            counts =
                counts
                + FloatCast.cast(
                    UnsafeRawBufferPointer(values), from: decodedType, to: type, into: bytes, widened: scratch(2, 4 * piece.count))
        }
        guard reader.tensor.orientation == .inputsByOutputs else {
            try write(UnsafeRawBufferPointer(output), range.lowerBound * size)
            return counts
        }
        let sizes = Orientation.inputsByOutputs.sizes(of: Array(reader.tensor.shape.dimensions.suffix(2)))
        try PanelWriter(outputs: sizes.outputs, inputs: sizes.inputs, elementByteCount: size)
            .write(
                UnsafeRawBufferPointer(output), range, turnedIn: scratch(0, output.count), to: write)
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
