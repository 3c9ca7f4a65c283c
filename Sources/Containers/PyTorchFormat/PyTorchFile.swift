package import ByteIO
import JSONText
package import TensorCore

/// The tensors of a file that `torch.save` wrote, read without running anything in it.
package final class PyTorchFile: TensorSource {
    package let path: String
    package let tensors: [TensorInfo]
    package let unreadableTensors: [UnreadableTensor]
    package let files: [InputFile]
    /// Sizes of the model that the program which trained it saved beside the tensors, under `model_args`.
    package let settings: [String: PickledSetting]
    private let places: [Place]
    private let isBigEndian: Bool

    private struct Place {
        let tensor: PickledTensor
        /// First byte of the storage in the file.
        let start: Int
        /// Whether the elements follow each other as in the shape.
        let isContiguous: Bool
    }

    /// Repeated elements are laid out where they are asked for: more of them than this are no model.
    private static let repeatedCountLimit = 1 << 31

    package init(_ file: InputFile) throws(FileError) {
        let isZip = try file.bytes(atOffset: 0, count: min(4, file.byteCount)) == [0x50, 0x4b, 3, 4]
        let table = try isZip ? StorageTable(zip: file) : StorageTable(legacy: file)
        let dictionary = try StateDict(table.root, table.heap, path: file.path)
        var tensors: [TensorInfo] = []
        var places: [Place] = []
        for entry in dictionary.entries {
            let tensor = entry.tensor, width = tensor.scalarType.bitCount / 8
            guard let info = TensorInfo(name: entry.name, scalarType: tensor.scalarType, shape: tensor.shape),
                tensor.shape.elementCount <= max(tensor.storageCount, Self.repeatedCountLimit)
            else { throw FileError(file.path, at: "tensor '\(entry.name)'", "of shape \(tensor.shape) is too large") }
            let place = table.places[ByteKey(tensor.storage)]
            guard let place = tensor.storageCount == 0 && place == nil ? 0..<0 : place else {
                throw FileError(
                    file.path, at: "tensor '\(entry.name)'", "has its elements in storage '\(tensor.storage)', which is not in the file",
                    hint: "the file is damaged; fetch it again")
            }
            guard tensor.storageCount <= place.count / width else {
                throw FileError(
                    file.path, at: "tensor '\(entry.name)'",
                    "its storage '\(tensor.storage)' has \(tensor.storageCount) elements of \(width) bytes, but \(place.count) bytes are there",
                    hint: "the file is damaged; fetch it again")
            }
            tensors.append(info)
            places.append(Place(tensor: tensor, start: place.lowerBound, isContiguous: Self.isContiguous(tensor)))
        }
        path = file.path
        self.tensors = tensors
        self.places = places
        unreadableTensors = dictionary.unreadable
        files = [file]
        settings = dictionary.settings
        isBigEndian = table.isBigEndian
    }

    package convenience init(path: String) throws(FileError) { try self.init(try InputFile(path: path)) }

    private static func isContiguous(_ tensor: PickledTensor) -> Bool {
        var expected = 1
        for (size, stride) in zip(tensor.shape.dimensions, tensor.strides).reversed() {
            if size > 1, stride != expected { return false }
            expected *= size
        }
        return true
    }

    /// Whether two tensors are one, under two names.
    package func areSame(_ first: Int, _ second: Int) -> Bool { places[first].tensor == places[second].tensor }

    package func fileIndex(ofTensor index: Int) -> Int { 0 }

    package func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
        let place = places[index], width = place.tensor.scalarType.bitCount / 8
        return place.isContiguous && (!isBigEndian || width == 1) ? (0, place.start + place.tensor.offset * width) : nil
    }

    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        precondition(offset >= 0 && offset + buffer.count <= tensors[index].byteCount, "a read leaves its tensor")
        if let place = place(ofTensor: index) { return try files[0].read(atOffset: place.offset + offset, into: buffer) }
        guard !buffer.isEmpty else { return }
        let place = places[index], width = place.tensor.scalarType.bitCount / 8
        let first = offset / width, end = (offset + buffer.count + width - 1) / width
        var walk = ElementWalk(place.tensor, from: first)
        var gathering = ElementGathering(files[0], start: place.start, width: width, limit: place.tensor.storageCount)
        for element in first..<end {
            let (bytes, start) = try gathering.element(walk.position)
            // The whole element, but at the two ends of the range.
            for byte in 0..<width {
                let target = element * width + byte - offset
                if buffer.indices.contains(target) { buffer[target] = bytes[start + (isBigEndian ? width - 1 - byte : byte)] }
            }
            walk.advance()
        }
    }
}

/// Where one element after the other lies in a storage.
private struct ElementWalk {
    private let dimensions: [Int]
    private let strides: [Int]
    private var indices: [Int]
    private(set) var position: Int

    init(_ tensor: PickledTensor, from element: Int) {
        dimensions = tensor.shape.dimensions
        strides = tensor.strides
        indices = Array(repeating: 0, count: dimensions.count)
        position = tensor.offset
        var rest = element
        for axis in dimensions.indices.reversed() {
            indices[axis] = rest % dimensions[axis]
            rest /= dimensions[axis]
            position += indices[axis] * strides[axis]
        }
    }

    mutating func advance() {
        for axis in dimensions.indices.reversed() {
            indices[axis] += 1
            position += strides[axis]
            guard indices[axis] == dimensions[axis] else { return }
            position -= indices[axis] * strides[axis]
            indices[axis] = 0
        }
    }
}

/// Elements at any places of a storage, through a few windows: what is transposed comes by in stripes, one for each row of the storage.
private struct ElementGathering {
    private let file: InputFile
    private let start: Int
    private let width: Int
    private let byteCount: Int
    private var windows: [Int: [UInt8]] = [:]

    private static let windowByteCount = 1 << 12
    /// 64 MiB.
    private static let windowCountLimit = 1 << 14

    init(_ file: InputFile, start: Int, width: Int, limit: Int) {
        self.file = file
        self.start = start
        self.width = width
        byteCount = limit * width
    }

    /// A window, of whole elements, and the place of the element in it.
    mutating func element(_ position: Int) throws(FileError) -> (window: [UInt8], place: Int) {
        let window = position * width / Self.windowByteCount
        let place = position * width - window * Self.windowByteCount
        if let loaded = windows[window] { return (loaded, place) }
        return (try load(window), place)
    }

    private mutating func load(_ window: Int) throws(FileError) -> [UInt8] {
        if windows.count >= Self.windowCountLimit { windows.removeAll(keepingCapacity: true) }
        let offset = window * Self.windowByteCount
        let bytes = try file.bytes(atOffset: start + offset, count: min(Self.windowByteCount, byteCount - offset))
        windows[window] = bytes
        return bytes
    }
}
