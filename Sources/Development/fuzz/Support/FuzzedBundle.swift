import ByteIO
import TensorCore

@testable import TensorFlowFormat

/// Index and data file of a bundle as an input describes them.
///
///     0 | header form | entry | entry ...      or      1 | an index file whose checksums are made right
///
///     entry    form | type | rank | dimension ... | what the form asks for
struct FuzzedBundle {
    private(set) var index: [UInt8] = []
    private(set) var data: [UInt8] = []
    private var entries: [TableWriter.Entry] = []

    /// Bits of the byte before an entry.
    private enum Form {
        /// The value is the input's own bytes, after one that counts them.
        static let isRaw: UInt8 = 1
        /// Offset and byte count are the input's.
        static let hasOwnRange: UInt8 = 2
        /// The name is the input's, after a byte that counts its bytes.
        static let hasOwnName: UInt8 = 4
        /// Larger dimensions: two bytes each, and a shift.
        static let hasWideDimensions: UInt8 = 8
        /// The tensor is kept in slices: a byte that counts them, then start and length for each dimension.
        static let isPartitioned: UInt8 = 16
        static let hasOwnShard: UInt8 = 32
    }

    private static let dataByteCountLimit = 1 << 14

    init(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        if input.byte() & 1 != 0 {
            index = TableImage.file(of: [1] + input.rest())
            data = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
            return
        }
        let form = input.byte() >> 5
        var header = form == 1 ? [] : Wire.field(1, form == 2 ? 3 : 1)
        header += form == 3 ? input.run(Int(input.byte() & 31)) : Wire.field(3, Wire.field(1, 1))
        entries = [TableWriter.Entry(key: [], value: header)]
        while !input.isEmpty, entries.count < 64 { addEntry(&input) }
        entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
        index = TableWriter(restartInterval: 4, blockByteCount: 200).table(entries)
    }

    private mutating func addEntry(_ input: inout FuzzInput) {
        let form = input.byte()
        let key = form & Form.hasOwnName != 0 ? input.run(Int(input.byte())) : Array("t\(entries.count)".utf8)
        if form & Form.isRaw != 0 {
            entries.append(TableWriter.Entry(key: key, value: input.run(Int(input.byte()))))
            return
        }
        let type = Int(input.byte() & 63)
        let rank = Int(input.byte() & 7)
        let dimensions = (0..<rank).map { _ in dimension(&input, form) }
        var slices: [TensorSlice] = []
        if form & Form.isPartitioned != 0 {
            for _ in 0..<input.byte() & 15 {
                let extents = (0..<rank).map { axis -> TensorSlice.Extent in
                    let start = Int(input.byte())
                    let length = input.byte()
                    return length == 0xff && start == 0 ? .init(start: 0, length: nil) : .init(start: start, length: Int(length))
                }
                let slice = TensorSlice(extents: extents)
                slices.append(slice)
                addSlice(slice, name: key, type: type, dimensions: dimensions)
            }
        }
        let value = Self.value(type: type, dimensions: dimensions, slices: slices)
        let range = slices.isEmpty ? place(&input, form, type: type, dimensions: dimensions) : []
        entries.append(TableWriter.Entry(key: key, value: value + range))
    }

    private func dimension(_ input: inout FuzzInput, _ form: UInt8) -> Int {
        guard form & Form.hasWideDimensions != 0 else { return Int(input.byte()) }
        return input.uint16() << Int(input.byte() & 63)
    }

    private mutating func addSlice(_ slice: TensorSlice, name: [UInt8], type: Int, dimensions: [Int]) {
        let lengths = zip(slice.extents, dimensions).map { $0.length ?? $1 }
        let range = append(byteCount(type: type, dimensions: lengths))
        entries.append(
            TableWriter.Entry(
                key: SliceKey(name: name, slice: slice).encoded, value: Self.value(type: type, dimensions: lengths, slices: []) + range))
    }

    private mutating func place(_ input: inout FuzzInput, _ form: UInt8, type: Int, dimensions: [Int]) -> [UInt8] {
        let shard = form & Form.hasOwnShard != 0 ? Wire.field(3, Int(input.byte())) : []
        guard form & Form.hasOwnRange == 0 else { return shard + Wire.field(4, input.uint16()) + Wire.field(5, input.uint16()) }
        return shard + append(byteCount(type: type, dimensions: dimensions))
    }

    /// Adds bytes to the data file; returns the fields that say where they are.
    private mutating func append(_ byteCount: Int) -> [UInt8] {
        let offset = data.count
        let bytes = (offset..<offset + byteCount).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
        data += bytes
        return Wire.field(4, offset) + Wire.field(5, byteCount) + Wire.fixed32(6, CRC32C(of: bytes).masked)
    }

    /// What a tensor takes, or nothing where that is more than a data file here is to have.
    private func byteCount(type: Int, dimensions: [Int]) -> Int {
        var count = (TensorFlowType(rawValue: type)?.scalarType?.bitCount ?? 8) / 8
        for dimension in dimensions {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product >= 0, product <= Self.dataByteCountLimit else { return 0 }
            count = product
        }
        return data.count + count <= Self.dataByteCountLimit ? count : 0
    }

    private static func value(type: Int, dimensions: [Int], slices: [TensorSlice]) -> [UInt8] {
        var bytes = Wire.field(1, type) + Wire.field(2, dimensions.flatMap { Wire.field(2, Wire.field(1, $0)) })
        for slice in slices {
            bytes += Wire.field(
                7,
                slice.extents.flatMap { extent in
                    Wire.field(1, Wire.field(1, extent.start) + (extent.length.map { Wire.field(2, $0) } ?? []))
                })
        }
        return bytes
    }
}
