import ByteIO
import JSONText
import SafetensorsFormat
package import TensorCore

/// A tensor with its bytes, as a container holds it.
package struct StoredTensor: Hashable, Sendable, CustomStringConvertible {
    package var name: String
    package var scalarType: ScalarType
    package var dimensions: [Int]
    package var bytes: [UInt8]

    package init(_ name: String, _ scalarType: ScalarType, _ dimensions: [Int], _ bytes: [UInt8]) {
        self.name = name
        self.scalarType = scalarType
        self.dimensions = dimensions
        self.bytes = bytes
    }

    package init(_ name: String, _ dimensions: [Int], _ values: [Float]) {
        self.init(name, .f32, dimensions, values.withUnsafeBytes { Array($0) })
    }

    package init(_ name: String, _ scalarType: ScalarType, _ dimensions: [Int], bitPatterns: [UInt16]) {
        self.init(name, scalarType, dimensions, bitPatterns.withUnsafeBytes { Array($0) })
    }

    /// Of a text, as quant states are stored.
    package init(_ name: String, text: String) {
        self.init(name, .u8, [text.utf8.count], Array(text.utf8))
    }

    package var floats: [Float] {
        bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }

    /// Short: expectations print it.
    package var description: String { "\(name) \(scalarType.rawValue) \(dimensions) crc32c \(CRC32C(of: bytes))" }
}

extension [StoredTensor] {
    /// A safetensors file of these tensors, in their order; written without any code of ours, so that it may be wrong.
    package func safetensors(metadata: KeyValuePairs<String, String> = [:]) -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let values = metadata.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }.joined(separator: ",")
            members.append("\"__metadata__\":{\(values)}")
        }
        var offset = 0
        for tensor in self {
            let end = offset + tensor.bytes.count
            members.append(
                "\(Self.quoted(tensor.name)):{\"dtype\":\"\(tensor.scalarType.rawValue)\",\"shape\":\(tensor.dimensions),"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        let header = [UInt8]("{\(members.joined(separator: ","))}".utf8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        return length + header + flatMap(\.bytes)
    }

    private static func quoted(_ text: String) -> String { JSONValue.string(text).text(.compact) }
}

extension TensorSource {
    /// Every tensor with all of its bytes, in the order of the source.
    package func storedTensors() throws -> [StoredTensor] {
        try tensors.indices.map { index in
            let info = tensors[index]
            return StoredTensor(info.name, info.scalarType, info.shape.dimensions, try bytes(ofTensor: index))
        }
    }
}

/// Every tensor of one safetensors file, by name.
package func storedTensors(at path: String) throws -> [String: StoredTensor] {
    let tensors = try SafetensorsFile(path: path).storedTensors()
    return Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
}
