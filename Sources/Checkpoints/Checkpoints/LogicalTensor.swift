package import Quantization
package import TensorCore

/// A tensor as a model means it: one name, however many stored tensors hold it.
///
/// Quantized data is not hidden behind a plain interface: who merges or re-quantizes decides so explicitly.
package struct LogicalTensor: Sendable {
    package enum Storage: Sendable {
        /// Index into the source's tensors.
        case plain(Int)
        /// Codes of bitsandbytes, which are copied as they are and multiplied by. Boxed: the others, of which a checkpoint can have
        /// 100,000, stay small.
        indirect case quantized(QuantizedTensor)
        /// Anything else that can be decoded.
        indirect case encoded(EncodedTensor)
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

    /// Whether it is several matrices of one size: those of the experts of a layer.
    package var isStack: Bool {
        shape.dimensions.count == 3 && (quantized != nil || ExpertStacks.isStack(name))
    }

    /// Index of the one stored tensor that is the weight; nil where others mean it.
    package var plainIndex: Int? {
        if case .plain(let index) = storage { index } else { nil }
    }

    /// Indices of all stored tensors that hold it.
    package var parts: [Int] {
        switch storage {
        case .plain(let index): [index]
        case .quantized(let quantized): quantized.parts
        case .encoded(let encoded): encoded.parts
        }
    }

    /// Bytes of all stored tensors that hold it.
    package func storedByteCount(in source: any TensorSource) -> Int {
        if case .plain(let index) = storage { return source.tensors[index].byteCount }
        return parts.reduce(0) { $0 + source.tensors[$1].byteCount }
    }

    /// `BF16`; of a 4-bit weight `NF4/64+DQ` (type, block size, double quantization), of others the name of the encoding.
    package var typeName: String {
        switch storage {
        case .plain: return scalarType.rawValue
        case .quantized(let quantized):
            let state = quantized.state
            return "\(state.quantType.rawValue.uppercased())/\(state.blockSize)\(state.isDoubleQuantized ? "+DQ" : "")"
        case .encoded(let encoded): return encoded.encoding.name
        }
    }

    /// Whether it is decoded by what its encoding says, and by nothing faster.
    package var isEncoded: Bool {
        if case .encoded = storage { true } else { false }
    }

    package var quantized: QuantizedTensor? {
        if case .quantized(let tensor) = storage { tensor } else { nil }
    }
}

/// A weight in an encoding that can be decoded.
package struct EncodedTensor: Sendable {
    package let encoding: any WeightEncoding
    /// Indices into the source's tensors, as the encoding counts its parts.
    package let parts: [Int]

    package init(encoding: any WeightEncoding, parts: [Int]) {
        self.encoding = encoding
        self.parts = parts
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

    /// What a weight has beside its codes and its quant state, in the order in which merges tell of it.
    package enum Part: String, Sendable, CaseIterable {
        case quantMap = ".quant_map"
        case absmax = ".absmax"
        case nestedAbsmax = ".nested_absmax"
        case nestedQuantMap = ".nested_quant_map"
    }

    /// Index into the source's tensors; nil where the weight has no such part.
    package func index(of part: Part) -> Int? {
        switch part {
        case .quantMap: quantMap
        case .absmax: absmax
        case .nestedAbsmax: nested?.absmax
        case .nestedQuantMap: nested?.quantMap
        }
    }

    /// All parts, codes first.
    package var parts: [Int] {
        [codes, absmax, quantMap] + (nested.map { [$0.absmax, $0.quantMap] } ?? []) + [stateBlob]
    }
}
