package import ByteIO

/// An array of the metadata: checked when its file was opened, and read from there when it is asked for its items; or one that is
/// to be written.
package struct GGUFArray: Sendable, Hashable {
    enum Content: Sendable {
        /// The items in a file, without the type and the count before them.
        case stored(InputFile, Range<Int>, ByteOrder)
        /// The items as they will stand in a file.
        case encoded([UInt8])
    }

    package let itemType: GGUFValueType
    package let count: Int
    let content: Content

    /// Bytes of the items in a file.
    var byteCount: Int {
        switch content {
        case .stored(_, let range, _): range.count
        case .encoded(let bytes): bytes.count
        }
    }

    init(itemType: GGUFValueType, count: Int, content: Content) {
        self.itemType = itemType
        self.count = count
        self.content = content
    }

    package init(_ items: [String]) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(items.reduce(0) { $0 + 8 + $1.utf8.count })
        for item in items { bytes.append(text: item) }
        self.init(itemType: .string, count: items.count, content: .encoded(bytes))
    }

    package init(_ items: [Float]) { self.init(.f32, items.map(\.bitPattern)) }
    package init(_ items: [Int32]) { self.init(.i32, items) }
    package init(_ items: [UInt32]) { self.init(.u32, items) }
    package init(_ items: [Bool]) { self.init(.bool, items.map { UInt8($0 ? 1 : 0) }) }

    private init(_ itemType: GGUFValueType, _ items: [some FixedWidthInteger & BitwiseCopyable]) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(items.count * (itemType.byteCount ?? 0))
        for item in items { bytes.append(number: item) }
        self.init(itemType: itemType, count: items.count, content: .encoded(bytes))
    }

    /// Equal where type, count and place are, or the bytes of those in memory; `holdsSameItems` compares the items of two files.
    package static func == (a: GGUFArray, b: GGUFArray) -> Bool {
        guard a.itemType == b.itemType, a.count == b.count else { return false }
        switch (a.content, b.content) {
        case (.stored(let a, let aRange, _), .stored(let b, let bRange, _)): return a.identity == b.identity && aRange == bRange
        case (.encoded(let a), .encoded(let b)): return a == b
        case (.stored, .encoded), (.encoded, .stored): return false
        }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(itemType)
        hasher.combine(count)
    }
}

extension GGUFArray {
    /// The first items, at most `limit`.
    package func values(limit: Int = .max) throws(FileError) -> [GGUFValue] {
        try items(limit) { (cursor) throws(FileError) in try cursor.value(itemType, "an item") }
    }

    /// Items of strings, each of at most 1 MiB.
    package func strings() throws(FileError) -> [String] {
        precondition(itemType == .string, "an array of \(itemType) holds no strings")
        return try items { (cursor) throws(FileError) in try cursor.string(limit: HeaderCursor.itemByteCountLimit, "an item") }
    }

    /// Items of any integer type.
    ///
    /// - Throws: where one is above 2^63 - 1.
    package func integers() throws(FileError) -> [Int] {
        switch itemType {
        case .u8: return try integers(UInt8.self)
        case .i8: return try integers(Int8.self)
        case .u16: return try integers(UInt16.self)
        case .i16: return try integers(Int16.self)
        case .u32: return try integers(UInt32.self)
        case .i32: return try integers(Int32.self)
        case .u64: return try integers(UInt64.self)
        case .i64: return try integers(Int64.self)
        case .f32, .f64, .bool, .string, .array: preconditionFailure("an array of \(itemType) holds no integers")
        }
    }

    /// Items of f32.
    package func floats() throws(FileError) -> [Float] {
        precondition(itemType == .f32, "an array of \(itemType) holds no floats")
        return try items { (cursor) throws(FileError) in Float(bitPattern: try cursor.integer(UInt32.self, "an item")) }
    }

    /// Items of bool: any byte but 0 is true.
    package func bools() throws(FileError) -> [Bool] {
        precondition(itemType == .bool, "an array of \(itemType) holds no bools")
        return try items { (cursor) throws(FileError) in try cursor.integer(UInt8.self, "an item") != 0 }
    }

    /// Whether another array, of this or another file, has the same items.
    package func holdsSameItems(as other: GGUFArray) throws(FileError) -> Bool {
        guard itemType == other.itemType, count == other.count, byteCount == other.byteCount, order == other.order else { return false }
        for start in stride(from: 0, to: byteCount, by: HeaderCursor.windowByteCount) {
            let range = start..<min(start + HeaderCursor.windowByteCount, byteCount)
            guard try bytes(range) == (try other.bytes(range)) else { return false }
        }
        return true
    }

    /// Which byte comes first in the numbers of `bytes`.
    var order: ByteOrder { if case .stored(_, _, let order) = content { order } else { .little } }

    /// Bytes of the items as they stand in the file.
    func bytes(_ range: Range<Int>) throws(FileError) -> [UInt8] {
        switch content {
        case .stored(let file, let all, _): try file.bytes(atOffset: all.lowerBound + range.lowerBound, count: range.count)
        case .encoded(let bytes): Array(bytes[range])
        }
    }

    private func integers<Integer: FixedWidthInteger & BitwiseCopyable>(_ type: Integer.Type) throws(FileError) -> [Int] {
        try items { (cursor) throws(FileError) in
            let offset = cursor.offset
            let stored = try cursor.integer(type, "an item")
            guard let value = Int(exactly: stored) else { throw cursor.failure("\(stored) is out of range", at: offset) }
            return value
        }
    }

    /// Bytes of items that are read at once at most: no vocabulary has a tenth of it.
    private static let readByteCountLimit = 256 << 20

    /// The file was checked to hold the items, so their count is no claim any more.
    private func items<Item>(
        _ limit: Int = .max, _ read: (inout HeaderCursor) throws(FileError) -> Item
    ) throws(FileError) -> [Item] {
        var cursor =
            switch content {
            case .stored(let file, let range, let order): HeaderCursor(file, order: order, offset: range.lowerBound)
            case .encoded(let bytes): HeaderCursor(bytes)
            }
        var items: [Item] = []
        items.reserveCapacity(min(count, limit, 1 << 20))
        let start = cursor.offset
        for _ in 0..<min(count, limit) {
            guard cursor.offset - start <= Self.readByteCountLimit else {
                throw cursor.failure(
                    "the array that begins here has more than \(Self.readByteCountLimit) bytes, too many to be read at once", at: start)
            }
            items.append(try read(&cursor))
        }
        return items
    }
}

extension [UInt8] {
    mutating func append<Integer: FixedWidthInteger & BitwiseCopyable>(number: Integer) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }

    mutating func append(text: String) {
        append(number: UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}
