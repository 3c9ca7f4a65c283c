import TensorCore

/// Range of whole numbers, and how many of them are zero.
enum IntegerScan {
    struct Found: Sendable {
        var range: ClosedRange<Int128>?
        var zeroCount = 0

        mutating func append(_ next: Found) {
            zeroCount += next.zeroCount
            guard let added = next.range else { return }
            range = range.map { min($0.lowerBound, added.lowerBound)...max($0.upperBound, added.upperBound) } ?? added
        }
    }

    /// Nil of types that are no whole numbers; truth values are.
    static func scan(_ bytes: UnsafeRawBufferPointer, of type: ScalarType) -> Found? {
        switch type {
        case .bool, .u8: scan(bytes, as: UInt8.self)
        case .i8: scan(bytes, as: Int8.self)
        case .u16: scan(bytes, as: UInt16.self)
        case .i16: scan(bytes, as: Int16.self)
        case .u32: scan(bytes, as: UInt32.self)
        case .i32: scan(bytes, as: Int32.self)
        case .u64: scan(bytes, as: UInt64.self)
        case .i64: scan(bytes, as: Int64.self)
        default: nil
        }
    }

    private static func scan<Element: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, as type: Element.Type
    ) -> Found {
        let values = bytes.bindMemory(to: type)
        guard !values.isEmpty else { return Found() }
        var smallest = Element.max, largest = Element.min
        var zeroCount = 0
        for value in values {
            smallest = min(smallest, value)
            largest = max(largest, value)
            zeroCount &+= value == 0 ? 1 : 0
        }
        return Found(range: Int128(smallest)...Int128(largest), zeroCount: zeroCount)
    }
}

extension ScalarType {
    /// Whole numbers and truth values.
    var isInteger: Bool {
        switch self {
        case .bool, .u8, .i8, .u16, .i16, .u32, .i32, .u64, .i64: true
        default: false
        }
    }
}
