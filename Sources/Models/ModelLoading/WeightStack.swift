import Architectures
import ByteIO
import Checkpoints
import Quantization
import TensorCore
import Transformer

/// The matrices of all experts of a layer, which lie in one tensor: each is used where it lies.
struct WeightStack {
    private enum Content {
        case dense(UnsafeRawBufferPointer, ScalarType, Orientation, owner: AnyObject)
        case packed(PackedWeight)
        case blocks(UnsafeRawBufferPointer, BlockFormat, owner: AnyObject)
        case mxfp4(codes: UnsafeRawBufferPointer, scales: UnsafeRawBufferPointer, owner: AnyObject)
    }

    private let content: Content
    private let sizes: (outputs: Int, inputs: Int)
    private let count: Int

    init(
        _ entry: WeightIndex.Entry, name: String, _ checkpoint: Checkpoint, _ memory: WeightMemory
    ) throws(FileError) {
        sizes = entry.expected.sizes
        count = entry.expected.dimensions[0]
        switch entry.tensor.storage {
        case .plain(let stored):
            content = .dense(
                try memory.bytes(ofTensor: stored), entry.tensor.scalarType, entry.expected.orientation, owner: memory)
        case .quantized(let quantized): content = .packed(try PackedWeight(quantized, checkpoint, memory))
        case .encoded(let encoded) where encoded.encoding is MXFP4:
            content = .mxfp4(
                codes: try memory.bytes(ofTensor: encoded.parts[0]), scales: try memory.bytes(ofTensor: encoded.parts[1]), owner: memory)
        case .encoded(let encoded):
            if let format = entry.tensor.blockFormat {
                content = .blocks(try memory.bytes(ofTensor: encoded.parts[0]), format, owner: memory)
                return
            }
            let decoded = try DecodedWeight(checkpoint, entry.tensor)
            content = .dense(UnsafeRawBufferPointer(decoded.memory.buffer), decoded.type, .outputsByInputs, owner: decoded.memory)
        }
    }

    func matrix(_ number: Int) -> WeightMatrix {
        switch content {
        case .dense(let bytes, let type, let orientation, let owner):
            return WeightMatrix(
                dense: part(number, of: bytes), of: type, outputCount: sizes.outputs, inputCount: sizes.inputs, orientation: orientation,
                owner: owner)
        case .packed(let packed): return packed.matrix(number)
        case .blocks(let bytes, let format, let owner):
            return WeightMatrix(
                blocks: part(number, of: bytes), of: format, outputCount: sizes.outputs, inputCount: sizes.inputs, owner: owner)
        case .mxfp4(let codes, let scales, let owner):
            return WeightMatrix(
                codes: part(number, of: codes), scales: part(number, of: scales), ofMXFP4: sizes.outputs, inputCount: sizes.inputs,
                owner: owner)
        }
    }

    private func part(_ number: Int, of bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let byteCount = bytes.count / count
        return UnsafeRawBufferPointer(rebasing: bytes[number * byteCount..<(number + 1) * byteCount])
    }
}

/// A 4-bit weight, or several of one tensor, with everything that its codes need.
struct PackedWeight {
    private let state: QuantState
    private let codes: UnsafeRawBufferPointer
    private let constants: WeightMatrix.Constants
    private let quantMap: QuantMap
    private let memory: WeightMemory

    init(_ tensor: QuantizedTensor, _ checkpoint: Checkpoint, _ memory: WeightMemory) throws(FileError) {
        // Reads the codebook, and refuses one with values that are not finite.
        quantMap = try QuantizedReader(source: checkpoint.source, tensor: tensor).quantMap
        state = tensor.state
        codes = try memory.bytes(ofTensor: tensor.codes)
        let absmax = try memory.bytes(ofTensor: tensor.absmax)
        if let parts = tensor.nested, let nested = tensor.state.nested {
            constants = .nested(
                codes: absmax, absmax: try memory.bytes(ofTensor: parts.absmax), map: try memory.bytes(ofTensor: parts.quantMap), nested)
        } else {
            constants = .plain(absmax)
        }
        self.memory = memory
    }

    /// - Parameter number: 0 of a weight that is one matrix.
    func matrix(_ number: Int) -> WeightMatrix {
        WeightMatrix(codes: codes, constants: constants, quantMap: quantMap, state: state, number: number, owner: memory)
    }
}

/// A weight without kernels of its own, decoded into memory as [out, in] and kept in the type that it is taken to have had.
struct DecodedWeight {
    let memory: OwnedBytes
    let type: ScalarType
    /// Of the one matrix, or of all of several beneath each other.
    let rows: Int
    let columns: Int

    /// Elements decoded at a time.
    private static let elementCount = 1 << 18

    init(_ checkpoint: Checkpoint, _ tensor: LogicalTensor) throws(FileError) {
        let reader = try checkpoint.reader(of: tensor, order: .outputsByInputs)
        (rows, columns) = (reader.rows, reader.columns)
        type = tensor.scalarType.isNarrowable ? tensor.scalarType : .f32
        let size = type.bitCount / 8
        memory = OwnedBytes(byteCount: tensor.elementCount * size)
        let step = max(1, Self.elementCount / reader.granularity) * reader.granularity
        for start in stride(from: 0, to: tensor.elementCount, by: step) {
            let range = start..<min(start + step, tensor.elementCount)
            let values = try reader.elements(range)
            var narrowed = MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: memory.buffer[size * range.lowerBound..<size * range.upperBound]))
            FloatConversion.narrow(values.span, to: type, into: &narrowed)
        }
    }
}
