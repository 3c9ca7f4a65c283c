package import Quantization
package import TensorCore

/// A tensor as a model means it: one name, however many stored tensors hold it.
///
/// Quantized data is not hidden behind a plain interface: who merges or re-quantizes decides so explicitly.
package struct LogicalTensor: Sendable {
    package enum Storage: Sendable {
        /// Index into the source's tensors.
        case plain(Int)
        /// Boxed: the others, of which a checkpoint can have 100,000, stay small.
        indirect case quantized(QuantizedTensor)
    }

    package let name: String
    package let storage: Storage
    /// Type of the elements: as stored, or what the quantized ones were.
    package let scalarType: ScalarType
    /// The shape of the dense weight in the model's own orientation: a `Conv1D` weight is [in, out].
    package let shape: Shape
    /// How the dense weight lies; a quantized one is always [out, in].
    package let orientation: Orientation

    package init(name: String, storage: Storage, scalarType: ScalarType, shape: Shape, orientation: Orientation = .outputsByInputs) {
        self.name = name
        self.storage = storage
        self.scalarType = scalarType
        self.shape = shape
        self.orientation = orientation
    }

    package var elementCount: Int { shape.elementCount }

    /// Index of the one stored tensor; nil of a 4-bit weight, which has several.
    package var plainIndex: Int? {
        if case .plain(let index) = storage { index } else { nil }
    }

    /// Bytes of all stored tensors that hold it.
    package func storedByteCount(in source: any TensorSource) -> Int {
        switch storage {
        case .plain(let index): source.tensors[index].byteCount
        case .quantized(let quantized): quantized.parts.reduce(0) { $0 + source.tensors[$1].byteCount }
        }
    }

    /// `BF16`, or of a 4-bit weight `NF4/64+DQ`: type, block size, double quantization.
    package var typeName: String {
        guard let state = quantized?.state else { return scalarType.rawValue }
        return "\(state.quantType.rawValue.uppercased())/\(state.blockSize)\(state.isDoubleQuantized ? "+DQ" : "")"
    }

    package var quantized: QuantizedTensor? {
        if case .quantized(let tensor) = storage { tensor } else { nil }
    }
}

/// A 4-bit weight in the layout of bitsandbytes: which stored tensors hold its parts.
package struct QuantizedTensor: Sendable {
    /// Type, block size, shape as quantized ([out, in]), original type, nested constants.
    package let state: QuantState
    /// Indices into the source's tensors.
    package let codes: Int
    package let absmax: Int
    package let quantMap: Int
    package let stateBlob: Int
    package let nested: NestedParts?

    package struct NestedParts: Sendable {
        package let absmax: Int
        package let quantMap: Int
    }

    /// All parts, codes first.
    package var parts: [Int] {
        [codes, absmax, quantMap] + (nested.map { [$0.absmax, $0.quantMap] } ?? []) + [stateBlob]
    }
}
