/// The type of a value of the metadata, by its number in the file.
package enum GGUFValueType: UInt32, Sendable, CaseIterable, CustomStringConvertible {
    case u8 = 0
    case i8, u16, i16, u32, i32, f32, bool, string, array, u64, i64, f64

    package var description: String {
        switch self {
        case .u8: "u8"
        case .i8: "i8"
        case .u16: "u16"
        case .i16: "i16"
        case .u32: "u32"
        case .i32: "i32"
        case .f32: "f32"
        case .bool: "bool"
        case .string: "string"
        case .array: "array"
        case .u64: "u64"
        case .i64: "i64"
        case .f64: "f64"
        }
    }

    /// Bytes of a value; nil where values differ in length.
    package var byteCount: Int? {
        switch self {
        case .u8, .i8, .bool: 1
        case .u16, .i16: 2
        case .u32, .i32, .f32: 4
        case .u64, .i64, .f64: 8
        case .string, .array: nil
        }
    }

    /// Bytes that a value takes at least: the length of a string, the type and count of an array.
    var leastByteCount: Int { byteCount ?? (self == .string ? 8 : 12) }
}

/// A value of the metadata. Arrays stay in the file until they are asked for their items.
package enum GGUFValue: Sendable, Hashable {
    case u8(UInt8)
    case i8(Int8)
    case u16(UInt16)
    case i16(Int16)
    case u32(UInt32)
    case i32(Int32)
    case f32(Float)
    case bool(Bool)
    case string(String)
    /// Boxed: the others, of which a hostile file has 65,536, stay small.
    indirect case array(GGUFArray)
    case u64(UInt64)
    case i64(Int64)
    case f64(Double)

    package var type: GGUFValueType {
        switch self {
        case .u8: .u8
        case .i8: .i8
        case .u16: .u16
        case .i16: .i16
        case .u32: .u32
        case .i32: .i32
        case .f32: .f32
        case .bool: .bool
        case .string: .string
        case .array: .array
        case .u64: .u64
        case .i64: .i64
        case .f64: .f64
        }
    }

    /// `u32`, `array of string`.
    package var typeName: String { if case .array(let array) = self { "array of \(array.itemType)" } else { type.description } }

    /// The value of any integer type; nil of other types, and above 2^63 - 1.
    package var integer: Int? {
        switch self {
        case .u8(let value): Int(value)
        case .i8(let value): Int(value)
        case .u16(let value): Int(value)
        case .i16(let value): Int(value)
        case .u32(let value): Int(value)
        case .i32(let value): Int(value)
        case .u64(let value): Int(exactly: value)
        case .i64(let value): Int(value)
        default: nil
        }
    }

    package var float: Float? { if case .f32(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var array: GGUFArray? { if case .array(let value) = self { value } else { nil } }
}
