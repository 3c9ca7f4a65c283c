import ByteIO

/// The key under which the index holds a slice of a tensor, in `OrderedCode`.
///
///     00 | name, escaped | 00 01 | rank | start, length | start, length ...
///
/// Rank is unsigned, starts and lengths are signed; a length of -1 stands for the whole dimension. The leading 00 sorts
/// slices before all names.
struct SliceKey: Hashable, Sendable {
    static let marker: UInt8 = 0x00

    let name: [UInt8]
    let slice: TensorSlice

    init(name: [UInt8], slice: TensorSlice) {
        self.name = name
        self.slice = slice
    }

    /// Nil where the bytes are no slice key, or not the one way to write it.
    init?(_ key: [UInt8]) {
        var reader = ByteReader(key)
        do throws(ByteReader.Failure) {
            guard try reader.byte() == Self.marker else { return nil }
            name = try OrderedCode.text(&reader)
            let rank = try OrderedCode.unsigned(&reader)
            guard rank <= TensorShapeLimits.rank else { return nil }
            var extents: [TensorSlice.Extent] = []
            for _ in 0..<rank {
                let start = try OrderedCode.signed(&reader)
                let length = try OrderedCode.signed(&reader)
                guard start >= 0, length >= -1, length >= 0 || start == 0 else { return nil }
                extents.append(TensorSlice.Extent(start: start, length: length < 0 ? nil : length))
            }
            slice = TensorSlice(extents: extents)
        } catch {
            return nil
        }
        guard encoded == key else { return nil }
    }

    var encoded: [UInt8] {
        var bytes = [Self.marker]
        OrderedCode.append(name, to: &bytes)
        OrderedCode.append(UInt64(slice.extents.count), to: &bytes)
        for extent in slice.extents {
            OrderedCode.append(extent.start, to: &bytes)
            OrderedCode.append(extent.length ?? -1, to: &bytes)
        }
        return bytes
    }
}
