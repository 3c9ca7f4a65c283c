import Architectures
import ByteIO
import GGUFFormat
import JSONText
import TensorCore

/// Why a GGUF file is not seen as a model of a known family: its tensors stay what they are called in it.
struct GGUFNotFollowed: Error {
    let message: String
}

/// A GGUF file of a known family seen as the Hugging Face model of the same weights.
///
/// Names change, rows of queries and keys go back to their places where the family pairs them, and norms lose the 1 that was added.
/// Whatever the file holds that this does not account for, a tensor or a key of the family, keeps it from being seen so.
struct GGUFModel: TensorSource {
    /// What becomes of the bytes of a tensor.
    private enum Change {
        case none
        /// Rows of heads of so many.
        case unpaired(headWidth: Int)
        /// Rows of heads of queries, keys and values.
        case ungrouped(GroupedHeads)
        /// F32.
        case minusOne(roundsTo16Bits: Bool)
        /// The matrix of one expert, of the bytes that all of a layer have.
        case part(number: Int, byteCount: Int)
        /// With another one those of one tensor.
        case gateUp(GateUpRows)
    }

    let tensors: [TensorInfo]
    /// config.json.
    let config: JSONObject
    let file: GGUFSource
    /// Index in the file of each tensor.
    private let places: [Int]
    private let changes: [Change]

    var path: String { file.path }
    var files: [InputFile] { file.files }

    /// - Throws: `GGUFNotFollowed` with what is in the way.
    init(_ file: GGUFSource) throws(GGUFNotFollowed) {
        let configuration: GGUFConfiguration
        do throws(FileError) { configuration = try GGUFConfiguration(GGUFContents(file)) } catch {
            throw GGUFNotFollowed(message: error.description)
        }
        let description = configuration.description
        let spelling = description.spelling
        var expected = Set(description.expectedTensors.map { ModulePart(key: $0.key, part: $0.part) })
        // Whether they are there is what the configuration was told by.
        if description.head.isTied { expected.remove(ModulePart(key: ModuleKey(.head), part: .weight)) }
        var tensors: [TensorInfo] = []
        var places: [Int] = []
        var changes: [Change] = []
        for (index, info) in file.tensors.enumerated() where !GGUFSpelling.factorNames.contains(info.name) {
            guard let (key, part) = description.module(namedInGGUF: info.name) else {
                throw GGUFNotFollowed(message: "tensor '\(info.name)' is none of a \(description.modelType) as the keys describe it")
            }
            if key.role.isOfExpert, let layer = key.layer, let mixture = Self.mixture(key, part, description) {
                for (number, expert) in try Self.experts(info, key, layer, mixture, spelling).enumerated() {
                    tensors.append(expert)
                    places.append(index)
                    changes.append(.part(number: number, byteCount: expert.byteCount))
                }
                continue
            }
            if let rows = Self.normRows(key, part, description) {
                for (number, row) in try Self.rows(info, key, rows, spelling).enumerated() {
                    tensors.append(row)
                    places.append(index)
                    changes.append(.part(number: number, byteCount: row.byteCount))
                }
                continue
            }
            if let pair = try Self.gateUp(index, key, part, file, description) {
                // Both become one, in the place of the first of them.
                guard index == min(pair.rows.gate, pair.rows.up) else { continue }
                tensors.append(pair.info)
                places.append(pair.rows.gate)
                changes.append(.gateUp(pair.rows))
                continue
            }
            guard expected.contains(ModulePart(key: key, part: part)) else {
                throw GGUFNotFollowed(message: "tensor '\(info.name)' is none of a \(description.modelType) as the keys describe it")
            }
            guard let renamed = TensorInfo(name: spelling.tensor(key, part), scalarType: info.scalarType, shape: info.shape) else {
                preconditionFailure("another name changes no size")
            }
            tensors.append(renamed)
            places.append(index)
            changes.append(try Self.change(key, part, info, description, is16Bit: configuration.is16Bit))
        }
        self.file = file
        self.tensors = tensors
        self.places = places
        self.changes = changes
        config = configuration.config
    }

    private struct ModulePart: Hashable {
        let key: ModuleKey
        let part: ExpectedTensor.Part
    }

    private static func change(
        _ key: ModuleKey, _ part: ExpectedTensor.Part, _ info: TensorInfo, _ description: ModelDescription, is16Bit: Bool
    ) throws(GGUFNotFollowed) -> Change {
        guard let layer = key.layer.map({ description.layers[$0] }) ?? description.layers.first else { return .none }
        if key.role.isNorm, part == .weight, layer.norm(key.role, width: description.width).norm.addsOne {
            guard info.scalarType == .f32 else {
                throw GGUFNotFollowed(message: "tensor '\(info.name)' is \(info.scalarType.rawValue), but a norm of this family is F32")
            }
            return .minusOne(roundsTo16Bits: is16Bit)
        }
        if key.role == .fusedQueryKeyValue, layer.attention.projections == .grouped {
            let heads = GroupedHeads(layer.attention), expected = heads.headCount * heads.headWidth
            guard info.shape.dimensions.first == expected else {
                throw GGUFNotFollowed(
                    message: "tensor '\(info.name)' has shape \(info.shape), but \(heads.headCount) heads of \(heads.headWidth) are "
                        + "\(expected) rows")
            }
            return .ungrouped(heads)
        }
        guard description.architecture.gguf?.pairsRows == true, key.role == .query || key.role == .key else { return .none }
        let width = layer.attention.headWidth
        guard let rowCount = info.shape.dimensions.first, rowCount % width == 0, rowCount > 0 else {
            throw GGUFNotFollowed(message: "tensor '\(info.name)' has shape \(info.shape), which is no heads of \(width) rows")
        }
        return .unpaired(headWidth: width)
    }

    func fileIndex(ofTensor index: Int) -> Int { file.fileIndex(ofTensor: places[index]) }

    func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
        switch changes[index] {
        case .none: file.place(ofTensor: places[index])
        case .part(let number, let byteCount):
            file.place(ofTensor: places[index]).map { ($0.file, $0.offset + number * byteCount) }
        case .unpaired, .ungrouped, .minusOne, .gateUp: nil
        }
    }

    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        switch changes[index] {
        case .none: try file.read(tensor: places[index], atByteOffset: offset, into: buffer)
        case .part(let number, let byteCount):
            try file.read(tensor: places[index], atByteOffset: number * byteCount + offset, into: buffer)
        case .gateUp(let rows):
            try rows.read(atByteOffset: offset, into: buffer) { tensor, offset, part throws(FileError) in
                try file.read(tensor: tensor, atByteOffset: offset, into: part)
            }
        case .unpaired(let width): try readUnpaired(index, headWidth: width, atByteOffset: offset, into: buffer)
        case .ungrouped(let heads):
            let info = tensors[index]
            try GroupedRows.read(
                atByteOffset: offset, into: buffer, rowByteCount: info.byteCount / (heads.headCount * heads.headWidth), heads
            ) { offset, part throws(FileError) in try file.read(tensor: places[index], atByteOffset: offset, into: part) }
        case .minusOne(let rounds):
            // A norm is small: all of it, then the part that is asked for.
            let whole = try file.floats(ofTensor: places[index], 0..<tensors[index].elementCount).map { value in
                // A file whose matrices are BF16 was made of norms in BF16, which lost nothing but by the 1.
                rounds ? FloatConversion.rounded(value - 1, to: .bf16) : value - 1
            }
            whole.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count])) }
        }
    }

    private func readUnpaired(
        _ index: Int, headWidth: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        let info = tensors[index]
        try PairedRows.read(
            atByteOffset: offset, into: buffer, rowByteCount: info.byteCount / info.shape.dimensions[0], headWidth: headWidth
        ) { range throws(FileError) in try file.bytes(ofTensor: places[index], range) }
    }
}

/// A source whose tensors are the bytes of blocks, or matrices that lie as [out, in] whatever the family does.
protocol BlockSource: TensorSource {
    /// The type of a tensor by ggml's number, and the shape of its elements; nil of one of a scalar type.
    func blocks(ofTensor index: Int) -> (type: Int, shape: Shape)?
}

extension GGUFSource: BlockSource {
    func blocks(ofTensor index: Int) -> (type: Int, shape: Shape)? { blockType(ofTensor: index).map { (Int($0.type.id), $0.shape) } }
}

extension GGUFModel: BlockSource {
    func blocks(ofTensor index: Int) -> (type: Int, shape: Shape)? {
        let blocks = file.blocks(ofTensor: places[index])
        guard let blocks else { return nil }
        var dimensions = blocks.shape.dimensions
        switch changes[index] {
        case .part: dimensions.removeFirst()
        case .gateUp: dimensions[1] *= 2
        default: return blocks
        }
        guard let shape = Shape(dimensions) else { preconditionFailure("as many bytes can be counted") }
        return (blocks.type, shape)
    }
}
