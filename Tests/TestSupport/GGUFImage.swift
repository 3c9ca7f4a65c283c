/// A GGUF file put together without any code of ours, so that it may be wrong.
package struct GGUFImage: Sendable {
    package struct Key: Sendable {
        package var name: [UInt8]
        package var type: UInt32
        package var value: [UInt8]
    }

    package struct Tensor: Sendable {
        package var name: [UInt8]
        /// As in the file: the row length first.
        package var dimensions: [Int64]
        package var rank: UInt32?
        package var type: UInt32
        package var offset: UInt64?
        package var bytes: [UInt8]
    }

    package var magic = Array("GGUF".utf8)
    package var version: UInt32 = 3
    package var tensorCount: Int64?
    package var keyCount: Int64?
    package var keys: [Key] = []
    package var tensors: [Tensor] = []
    package var alignment = 32
    package var padsTheEnd = true
    package let isBigEndian: Bool

    package init(isBigEndian: Bool = false) { self.isBigEndian = isBigEndian }

    /// A key and two tensors: `a.weight` F32 [3, 8], `b.weight` Q8_0 [2, 32].
    package static let small: GGUFImage = {
        var image = GGUFImage()
        image.add("general.architecture", "test")
        image.add(tensor: "a.weight", [8, 3], type: 0, (0..<96).map { UInt8($0) })
        image.add(tensor: "b.weight", [32, 2], type: 8, (0..<68).map { UInt8($0) })
        return image
    }()

    package mutating func add(_ key: String, _ value: String) { add(key, type: 8, string(value)) }

    package mutating func add(_ key: String, type: UInt32, _ value: [UInt8]) {
        keys.append(Key(name: Array(key.utf8), type: type, value: value))
    }

    package mutating func add(tensor name: String, _ dimensions: [Int64], type: UInt32, _ bytes: [UInt8] = []) {
        tensors.append(Tensor(name: Array(name.utf8), dimensions: dimensions, type: type, bytes: bytes))
    }

    /// The three keys that every part of a split model has.
    package mutating func addSplit(number: UInt16, count: UInt16, tensorCount: Int32) {
        add("split.no", type: 2, bytes(of: number))
        add("split.count", type: 2, bytes(of: count))
        add("split.tensors.count", type: 5, bytes(of: tensorCount))
    }

    package func bytes(of value: some FixedWidthInteger) -> [UInt8] {
        isBigEndian ? withUnsafeBytes(of: value.bigEndian) { Array($0) } : withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    package func string(_ text: String) -> [UInt8] { string(Array(text.utf8)) }

    package func string(_ text: [UInt8]) -> [UInt8] { bytes(of: UInt64(text.count)) + text }

    package func array(of type: UInt32, count: UInt64? = nil, _ items: [[UInt8]]) -> [UInt8] {
        bytes(of: type) + bytes(of: count ?? UInt64(items.count)) + items.flatMap { $0 }
    }

    package var bytes: [UInt8] {
        var file = magic + bytes(of: version) + bytes(of: tensorCount ?? Int64(tensors.count)) + bytes(of: keyCount ?? Int64(keys.count))
        for key in keys { file += string(key.name) + bytes(of: key.type) + key.value }
        var data: [UInt8] = []
        for tensor in tensors {
            file += string(tensor.name) + bytes(of: tensor.rank ?? UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { file += bytes(of: dimension) }
            file += bytes(of: tensor.type) + bytes(of: tensor.offset ?? UInt64(data.count))
            data += tensor.bytes
            data += padding(data.count)
        }
        if let last = tensors.last, !padsTheEnd { data.removeLast(padding(last.bytes.count).count) }
        return file + padding(file.count) + data
    }

    private func padding(_ byteCount: Int) -> [UInt8] { [UInt8](repeating: 0, count: (alignment - byteCount % alignment) % alignment) }
}
