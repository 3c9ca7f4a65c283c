package import ByteIO
package import Checkpoints
import Parallelism
package import Streaming
import Synchronization
package import TensorCore

/// SHA-256 of every tensor: of the bytes that are stored, or of the dense values that they mean, little-endian and row-major.
///
/// Two programs that read a model alike give the same digests. Memory holds a piece of a tensor at a time for each thread; of a matrix that
/// is decoded the other way than it lies (an encoded `Conv1D` weight) it holds all of it.
package struct TensorDigests: Sendable {
    package struct Entry: Sendable, Hashable {
        package let name: String
        package let scalarType: ScalarType
        package let shape: Shape
        /// 64 lower-case hexadecimal digits.
        package let digest: String
    }

    private let model: any NamedTensors
    private let resources: Resources

    package init(_ model: any NamedTensors, resources: Resources) {
        self.model = model
        self.resources = resources
    }

    /// Of every stored tensor, in the order of the source; what is no part of the weights is left out.
    package func stored(where isIncluded: (String) -> Bool) throws(FileError) -> [Entry] {
        let source = model.source
        let parts = model.tensors.flatMap(\.parts).sorted().filter { isIncluded(source.tensors[$0].name) }
        return try run(parts) { index throws(FileError) in
            let info = source.tensors[index]
            return Entry(
                name: info.name, scalarType: info.scalarType, shape: info.shape, digest: try digest(ofStored: index))
        }
    }

    /// Of every tensor as the model means it: what is quantized is decoded, to the type that it is recorded to have had.
    package func dequantized(where isIncluded: (String) -> Bool) throws(FileError) -> [Entry] {
        try run(model.tensors.filter { isIncluded($0.name) }) { tensor throws(FileError) in
            guard tensor.plainIndex == nil else {
                return Entry(
                    name: tensor.name, scalarType: tensor.scalarType, shape: tensor.shape,
                    digest: try digest(ofStored: tensor.plainIndex ?? 0))
            }
            let type = tensor.scalarType.isNarrowable ? tensor.scalarType : .f32
            return Entry(name: tensor.name, scalarType: type, shape: tensor.shape, digest: try digest(ofDecoded: tensor, as: type))
        }
    }

    private func run<Item: Sendable>(
        _ items: [Item], _ body: @Sendable (Item) throws(FileError) -> Entry
    ) throws(FileError) -> [Entry] {
        let entries = Slots(count: items.count)
        try resources.pool.forEach(count: items.count) { index, _ throws(FileError) in entries.set(index, try body(items[index])) }
        return entries.values
    }

    private func digest(ofStored index: Int) throws(FileError) -> String {
        var digest = SHA256()
        for range in Chunks.ranges(count: model.source.tensors[index].byteCount, limit: resources.chunkElementCount, unit: 1) {
            digest.append(try model.source.bytes(ofTensor: index, range))
            resources.progress(range.count)
        }
        return digest.finish()
    }

    private func digest(ofDecoded tensor: LogicalTensor, as type: ScalarType) throws(FileError) -> String {
        let reader = try model.reader(of: tensor)
        let isTurned = tensor.orientation == .inputsByOutputs && tensor.shape.dimensions.count >= 2
        let matrix = tensor.shape.dimensions.suffix(2)
        // One matrix after the other, where they have to be turned; as they come, elsewhere.
        let limit = isTurned ? matrix.reduce(1, *) : max(reader.granularity, resources.chunkElementCount / 4)
        let unit = isTurned ? limit : reader.granularity
        var digest = SHA256()
        for range in Chunks.ranges(count: tensor.elementCount, limit: limit, unit: unit) {
            let values = try reader.elements(range)
            var bytes = [UInt8](repeating: 0, count: range.count * type.bitCount / 8)
            do {
                var span = bytes.mutableSpan
                var raw = span.mutableBytes
                FloatConversion.narrow(values.span, to: type, into: &raw)
            }
            if isTurned, let rows = matrix.first, let columns = matrix.last {
                var turned = bytes
                bytes.withUnsafeBytes { stored in
                    turned.withUnsafeMutableBytes { buffer in
                        MatrixTransposition.transpose(
                            stored, rows: columns, columns: rows, elementByteCount: type.bitCount / 8, into: buffer)
                    }
                }
                bytes = turned
            }
            digest.append(bytes)
        }
        resources.progress(tensor.storedByteCount(in: model.source))
        return digest.finish()
    }
}

/// A place for the result of each iteration of a loop.
private final class Slots: Sendable {
    private let slots: Mutex<[TensorDigests.Entry?]>

    init(count: Int) { slots = Mutex(Array(repeating: nil, count: count)) }

    func set(_ index: Int, _ entry: TensorDigests.Entry) { slots.withLock { $0[index] = entry } }

    var values: [TensorDigests.Entry] { slots.withLock { $0.compactMap(\.self) } }
}
