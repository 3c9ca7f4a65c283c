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
}

extension WeightEncoding {
    package var words: String { name }
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
