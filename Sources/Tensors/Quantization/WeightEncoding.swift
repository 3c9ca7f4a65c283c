package import ByteIO
package import TensorCore

/// A way in which a weight [out, in] is stored as something else than its elements.
///
/// Whatever can be decoded is inspected, compared, converted, merged, run and trained. What an encoding has besides, such as
/// kernels that multiply by its codes, makes that faster, and nothing else.
package protocol WeightEncoding: Sendable {
    /// What listings call it, parameters included: `Q4_K`, `GPTQ/4/128`.
    var name: String { get }

    /// What it is called where a person is told of it: `GPTQ, 4 bits`.
    var words: String { get }

    /// The type that the weight is taken to have had; decoded elements are rounded to it where a model computes with them.
    var scalarType: ScalarType { get }

    /// Of the decoded weight, [out, in].
    var shape: Shape { get }

    /// Elements that a range to decode begins at a multiple of, and is a multiple of unless it reaches the end.
    var granularity: Int { get }

    /// Fills `values` with the elements `range`, counted row by row, before they are rounded to `scalarType`. May be called from
    /// any thread.
    func decode(
        _ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>
    ) throws(FileError)

    /// What decodes the elements `range` in smaller pieces. What it has to read for them it may read at once.
    func run(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> any WeightRun
}

extension WeightEncoding {
    package var words: String { name }

    package func run(_ range: Range<Int>, of parts: StoredParts) throws(FileError) -> any WeightRun {
        UnreadRun(encoding: self, parts: parts)
    }
}

/// Some elements of an encoded weight, to be decoded in pieces that fit a cache.
package protocol WeightRun {
    /// Elements that a piece begins at a multiple of, and is a multiple of unless it reaches the end of the run.
    var granularity: Int { get }

    /// Fills `values` with the elements `range` as F32, or rounded to F16 or BF16: those numbers that `decode` of the encoding
    /// gives.
    func decode(_ range: Range<Int>, as type: ScalarType, into values: UnsafeMutableRawBufferPointer) throws(FileError)

    /// Quantizes the elements `range` of the run, decoded as a type, as `BlockQuantizer` does; nil where there is no faster way than
    /// that, and nothing is done.
    ///
    /// - Parameters:
    ///   - packed: half a byte an element.
    ///   - absmax: one a block.
    func quantize(
        _ range: Range<Int>, as type: ScalarType, to quantType: QuantType, blockSize: Int, packed: UnsafeMutableRawBufferPointer,
        absmax: UnsafeMutableBufferPointer<Float>
    ) -> QuantizedRun?
}

/// Elements that were quantized without being decoded.
package struct QuantizedRun {
    /// The index in the range of the first that is not finite; nil where all are.
    package let firstNonfinite: Int?
}

extension WeightRun {
    package func quantize(
        _ range: Range<Int>, as type: ScalarType, to quantType: QuantType, blockSize: Int, packed: UnsafeMutableRawBufferPointer,
        absmax: UnsafeMutableBufferPointer<Float>
    ) -> QuantizedRun? { nil }
}

/// Of an encoding that reads whatever a piece needs when it is decoded.
private struct UnreadRun: WeightRun {
    let encoding: any WeightEncoding
    let parts: StoredParts

    var granularity: Int { encoding.granularity }

    func decode(_ range: Range<Int>, as type: ScalarType, into values: UnsafeMutableRawBufferPointer) throws(FileError) {
        guard type != .f32 else { return try encoding.decode(range, of: parts, into: values.bindMemory(to: Float.self)) }
        let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: range.count)
        defer { floats.deallocate() }
        try encoding.decode(range, of: parts, into: floats)
        var narrowed = MutableRawSpan(_unsafeBytes: values)
        FloatConversion.narrow(Span(_unsafeElements: UnsafeBufferPointer(floats)), to: type, into: &narrowed)
    }
}

/// The stored tensors that an encoded weight consists of, in the order that its encoding gives them.
package struct StoredParts: Sendable {
    package let source: any TensorSource
    /// Indices into the source's tensors.
    package let tensors: [Int]

    package init(source: any TensorSource, tensors: [Int]) {
        self.source = source
        self.tensors = tensors
    }

    /// Bytes `range` of a part.
    package func bytes(ofPart part: Int, _ range: Range<Int>) throws(FileError) -> [UInt8] {
        try source.bytes(ofTensor: tensors[part], range)
    }

    /// Elements `range` of a part of F32.
    package func floats(ofPart part: Int, _ range: Range<Int>) throws(FileError) -> [Float] {
        try source.floats(ofTensor: tensors[part], range)
    }
}
