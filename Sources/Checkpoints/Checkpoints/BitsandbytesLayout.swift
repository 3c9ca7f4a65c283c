import ByteIO
import JSONText
import Quantization
import TensorCore

/// How bitsandbytes and transformers store a 4-bit weight `W`, and QNF with them:
///
///     W                                     U8   [(n + 1) / 2, 1]   two codes a byte, the first in the high half
///     W.absmax                              U8 | F32  [blocks]      8-bit codes if nested, else the constants
///     W.quant_map                           F32  [16]               the codebook
///     W.nested_absmax                       F32  [blocks / 256]     only if nested
///     W.nested_quant_map                    F32  [256]              only if nested
///     W.quant_state.bitsandbytes__nf4       U8   [bytes]            JSON: type, block size, shape, dtype, offset
///
/// `quant_storage` other than uint8 stores the same bytes of `W` under another type.
struct BitsandbytesLayout: TensorLayout {
    static let statePrefix = ".quant_state.bitsandbytes__"

    /// The name of a quant state: `WEIGHT.quant_state.bitsandbytes__TYPE`.
    private struct StateName {
        let weight: String
        let typeName: String

        /// Nil for other names. Looks at the last component only, by its bytes: a header may hold 100,000 names.
        init?(_ name: String) {
            guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return nil }
            let last = name[dot...]
            guard last.utf8.starts(with: ".bitsandbytes__".utf8), name[..<dot].hasSuffix(".quant_state") else { return nil }
            weight = String(name[..<dot].dropLast(".quant_state".count))
            typeName = String(last.dropFirst(".bitsandbytes__".count))
        }
    }

    /// Longest quant state that is read; a real one has about 170 bytes.
    private static let stateByteCountLimit = 4096

    /// Every part is checked against the quant state. No stored tensor belongs to two weights.
    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        let infos = source.tensors
        let states = infos.indices.compactMap { index in StateName(infos[index].name).map { (index: index, name: $0) } }
        guard !states.isEmpty else { return findings }
        var indexOfName = [ByteKey: Int](minimumCapacity: infos.count)
        for (index, info) in infos.enumerated() where indexOfName[ByteKey(info.name)] == nil { indexOfName[ByteKey(info.name)] = index }
        // Of each stored tensor, the number in `states` of the weight that it belongs to.
        var owners = [Int?](repeating: nil, count: infos.count)
        for (number, (index, state)) in states.enumerated() {
            let name = state.weight
            let tensor = try Self.quantizedTensor(
                named: name, typeName: state.typeName, stateBlob: index, source: source, indexOfName: indexOfName)
            for part in tensor.parts {
                guard let earlier = owners[part] else {
                    owners[part] = number
                    continue
                }
                let owner = states[earlier].name.weight
                throw FileError(
                    source.path, at: "tensor '\(infos[owner == name ? index : part].name)'",
                    owner == name ? "is a second quant state of '\(name)'" : "is a part of two 4-bit weights, '\(owner)' and '\(name)'")
            }
            findings.weights.append(
                (tensor.codes, try Self.logicalTensor(name, tensor, orientation: context.orientation(name), path: source.path)))
        }
        return findings
    }

    private static func logicalTensor(
        _ name: String, _ tensor: QuantizedTensor, orientation: Orientation, path: String
    ) throws(FileError) -> LogicalTensor {
        let dimensions = tensor.state.shape.dimensions
        let own = orientation.turned(dimensions)
        guard let shape = Shape(own) else { throw FileError(path, at: "tensor '\(name)'", "shape \(own) is no possible size") }
        return LogicalTensor(
            name: name, storage: .quantized(tensor), scalarType: tensor.state.scalarType, shape: shape, orientation: orientation)
    }

    private static func quantizedTensor(
        named name: String, typeName: String, stateBlob: Int, source: any TensorSource, indexOfName: [ByteKey: Int]
    ) throws(FileError) -> QuantizedTensor {
        func index(of part: String) throws(FileError) -> Int {
            guard let index = indexOfName[ByteKey(name + part)] else {
                throw FileError(source.path, at: "tensor '\(name)'", "has a quant state, but '\(name + part)' is missing")
            }
            return index
        }
        let state = try readState(blob: stateBlob, typeName: typeName, source: source)
        let tensor = QuantizedTensor(
            state: state, codes: try index(of: ""), absmax: try index(of: QuantizedTensor.Part.absmax.rawValue),
            quantMap: try index(of: QuantizedTensor.Part.quantMap.rawValue), stateBlob: stateBlob,
            nested: state.nested == nil
                ? nil
                : .init(
                    absmax: try index(of: QuantizedTensor.Part.nestedAbsmax.rawValue),
                    quantMap: try index(of: QuantizedTensor.Part.nestedQuantMap.rawValue)))
        try checkParts(of: tensor, name: name, source: source)
        return tensor
    }

    /// Every part has the type and the length that the quant state asks for.
    private static func checkParts(of tensor: QuantizedTensor, name: String, source: any TensorSource) throws(FileError) {
        let state = tensor.state
        let weight = "a weight of shape \(state.shape) with blocks of \(state.blockSize) needs"
        func check(_ index: Int, _ type: ScalarType, count: Int, reason: String) throws(FileError) {
            let info = source.tensors[index]
            guard info.scalarType == type else {
                throw FileError(
                    source.path, at: "tensor '\(info.name)'", "is \(info.scalarType.rawValue), but \(type.rawValue) is expected")
            }
            guard info.elementCount == count else {
                throw FileError(source.path, at: "tensor '\(info.name)'", "has \(info.elementCount) elements, but \(reason) \(count)")
            }
        }
        // Whatever type the codes are stored under (`quant_storage`), they are the same bytes.
        let codes = source.tensors[tensor.codes]
        guard codes.byteCount == state.packedByteCount else {
            throw FileError(
                source.path, at: "tensor '\(codes.name)'", "has \(codes.byteCount) bytes, but \(weight) \(state.packedByteCount)")
        }
        try check(tensor.absmax, state.nested == nil ? .f32 : .u8, count: state.blockCount, reason: weight)
        try check(tensor.quantMap, .f32, count: 16, reason: "a codebook has")
        if let nested = tensor.nested {
            try check(nested.absmax, .f32, count: state.nestedBlockCount, reason: weight)
            try check(nested.quantMap, .f32, count: 256, reason: "a codebook of constants has")
        }
    }

    private static func readState(blob index: Int, typeName: String, source: any TensorSource) throws(FileError) -> QuantState {
        let info = source.tensors[index]
        let place = "tensor '\(info.name)'"
        guard info.scalarType == .u8, info.byteCount <= stateByteCountLimit else {
            throw FileError(
                source.path, at: place,
                "is \(info.scalarType.rawValue) with \(info.byteCount) bytes, but a quant state is U8 with at most \(stateByteCountLimit)")
        }
        let bytes = try source.bytes(ofTensor: index)
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch {
            throw FileError(source.path, at: place, "is no JSON: \(error.description)")
        }
        do { return try QuantState(bitsandbytes: document, typeName: typeName) } catch {
            throw FileError(source.path, at: place, error.message)
        }
    }
}
