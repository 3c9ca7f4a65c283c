package import ByteIO
package import Quantization
package import TensorCore

/// Reads the elements of a weight as float32, whatever it is stored as.
package struct ElementReader: Sendable {
    /// Which element comes first, which next.
    package enum Order: Sendable {
        /// Of dense weights, that of the file.
        case stored
        /// That of [out, in], in which a weight is quantized.
        case outputsByInputs
    }

    /// What becomes of a decoded element.
    package enum Rounding: Sendable {
        /// It is rounded to the type that the weight is recorded to have had, as whoever computes with the weight sees it.
        case recorded
        /// It stays a float32.
        case none
    }

    private enum Content: Sendable {
        case plain(WeightReader, ScalarType)
        case blocks(QuantizedReader)
        case encoded(any WeightEncoding, StoredParts)
    }

    package let tensor: LogicalTensor
    /// Of the matrix as it is read, or of several beneath each other; a tensor of other dimensions is one row.
    package let rows: Int
    package let columns: Int
    /// Matrices beneath each other; 1 of everything else.
    package var matrixCount: Int { tensor.isStack ? tensor.shape.dimensions[0] : 1 }
    /// How a linear layer's weight is read.
    package let orientation: Orientation
    /// Elements a range begins at a multiple of, and is a multiple of unless it reaches the end.
    package let granularity: Int
    private let content: Content
    private let rounding: Rounding

    fileprivate init(_ source: any TensorSource, _ tensor: LogicalTensor, _ order: Order, _ rounding: Rounding) throws(FileError) {
        self.tensor = tensor
        self.rounding = rounding
        var dimensions = tensor.orientation.turned(tensor.shape.dimensions)
        var lies = Orientation.outputsByInputs
        switch tensor.storage {
        case .quantized(let parts):
            let reader = try QuantizedReader(source: source, tensor: parts)
            content = .blocks(reader)
            granularity = reader.state.blockSize
            dimensions = reader.state.shape.dimensions
        case .encoded(let encoded):
            content = .encoded(encoded.encoding, StoredParts(source: source, tensors: encoded.parts))
            granularity = encoded.encoding.granularity
        case .plain(let index):
            let turned = order == .outputsByInputs ? tensor.orientation : .outputsByInputs
            if order == .stored { (dimensions, lies) = (tensor.shape.dimensions, tensor.orientation) }
            let reader = WeightReader(source: source, tensor: index, orientation: turned)
            content = .plain(reader, tensor.scalarType)
            granularity = reader.granularity
        }
        orientation = lies
        let isMatrix = dimensions.count == 2 || dimensions.count == 3 && tensor.isStack
        rows = isMatrix ? dimensions.dropLast().reduce(1, *) : 1
        columns = isMatrix ? dimensions[dimensions.count - 1] : tensor.elementCount
    }

    /// Bytes that a read of so many elements leaves in `stored`; none of a weight that is not read in one piece.
    package func storedByteCount(_ count: Int) -> Int {
        switch content {
        case .plain(_, let type): count * type.bitCount / 8
        case .blocks: (count + 1) / 2
        case .encoded: 0
        }
    }

    /// Fills `values` with the elements `range`, and `stored` with what the source holds of them.
    ///
    /// - Parameter spare: room for four bytes an element, or what a stored one takes if that is more.
    package func read(
        _ range: Range<Int>, stored: UnsafeMutableRawBufferPointer, spare: UnsafeMutableRawBufferPointer,
        into values: UnsafeMutableBufferPointer<Float>
    ) throws(FileError) {
        var floats = MutableSpan(_unsafeElements: values)
        switch content {
        case .plain(let reader, let type):
            try reader.read(range, into: stored, scratch: spare)
            FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(stored)), of: type, into: &floats)
        case .blocks(let reader):
            let type = rounding == .recorded ? reader.state.scalarType : .f32
            guard type != .f32 else {
                try reader.dequantize(range, as: .f32, codes: stored, into: UnsafeMutableRawBufferPointer(values))
                return
            }
            let typed = UnsafeMutableRawBufferPointer(rebasing: spare[..<(range.count * 2)])
            try reader.dequantize(range, as: type, codes: stored, into: typed)
            FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(typed)), of: type, into: &floats)
        case .encoded(let encoding, let parts):
            try encoding.decode(range, of: parts, into: values)
            guard rounding == .recorded, encoding.scalarType != .f32, encoding.scalarType.isNarrowable else { return }
            let typed = UnsafeMutableRawBufferPointer(rebasing: spare[..<(range.count * encoding.scalarType.bitCount / 8)])
            var narrowed = MutableRawSpan(_unsafeBytes: typed)
            FloatConversion.narrow(floats.span, to: encoding.scalarType, into: &narrowed)
            FloatConversion.widen(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(typed)), of: encoding.scalarType, into: &floats)
        }
    }

    /// What decodes the elements `range` of an encoded weight in pieces, and to which type; nil of other weights.
    package func run(_ range: Range<Int>) throws(FileError) -> (pieces: any WeightRun, type: ScalarType)? {
        guard case .encoded(let encoding, let parts) = content else { return nil }
        let isRounded = rounding == .recorded && encoding.scalarType.isNarrowable
        return (try encoding.run(range, of: parts), isRounded ? encoding.scalarType : .f32)
    }

    /// Any run of elements.
    package func elements(_ range: Range<Int>) throws(FileError) -> [Float] {
        guard !range.isEmpty else { return [] }
        let start = range.lowerBound / granularity * granularity
        // Of blocks any part from the first element on, but codes are read in pairs.
        let step = if case .blocks = content { 2 } else { granularity }
        let end = min((range.upperBound + step - 1) / step * step, tensor.elementCount)
        let byteCount = max(storedByteCount(end - start), 4 * (end - start))
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * byteCount, alignment: 64)
        defer { memory.deallocate() }
        let stored = UnsafeMutableRawBufferPointer(rebasing: memory[..<storedByteCount(end - start)])
        let spare = UnsafeMutableRawBufferPointer(rebasing: memory[byteCount...])
        let values = try [Float](count: end - start) { buffer throws(FileError) in
            try read(start..<end, stored: stored, spare: spare, into: buffer.bindMemory(to: Float.self))
        }
        return start == range.lowerBound && end == range.upperBound
            ? values : Array(values[(range.lowerBound - start)..<(range.upperBound - start)])
    }

    /// The whole weight, [rows, columns].
    package func allElements() throws(FileError) -> [Float] { try elements(0..<tensor.elementCount) }
}

extension NamedTensors {
    /// What reads the elements of one of the tensors, which are numbers that a model can compute with.
    package func reader(
        of tensor: LogicalTensor, order: ElementReader.Order = .stored, rounding: ElementReader.Rounding = .recorded
    ) throws(FileError) -> ElementReader {
        try ElementReader(source, tensor, order, rounding)
    }
}
