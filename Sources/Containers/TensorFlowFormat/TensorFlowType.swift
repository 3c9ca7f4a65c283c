import TensorCore

/// TensorFlow's type of the elements of a tensor, by its number in `types.proto`.
enum TensorFlowType: Int, Sendable {
    case float32 = 1
    case float64, int32, uint8, int16, int8, string, complex64, int64, bool
    case qint8, quint8, qint32, bfloat16, qint16, quint16, uint16, complex128, float16, resource, variant
    case uint32, uint64, float8E5M2, float8E4M3FN, float8E4M3FNUZ, float8E4M3B11FNUZ, float8E5M2FNUZ
    case int4, uint4, int2, uint2, float4E2M1FN

    /// TensorFlow's own spelling.
    var name: String {
        switch self {
        case .float8E5M2: "float8_e5m2"
        case .float8E4M3FN: "float8_e4m3fn"
        case .float8E4M3FNUZ: "float8_e4m3fnuz"
        case .float8E4M3B11FNUZ: "float8_e4m3b11fnuz"
        case .float8E5M2FNUZ: "float8_e5m2fnuz"
        case .float4E2M1FN: "float4_e2m1fn"
        default: "\(self)"
        }
    }

    /// The same type here, or nil where its elements are not read.
    var scalarType: ScalarType? {
        switch self {
        case .float32: .f32
        case .float64: .f64
        case .float16: .f16
        case .bfloat16: .bf16
        case .int8: .i8
        case .int16: .i16
        case .int32: .i32
        case .int64: .i64
        case .uint8: .u8
        case .uint16: .u16
        case .uint32: .u32
        case .uint64: .u64
        case .bool: .bool
        case .complex64: .c64
        case .float8E5M2: .f8e5m2
        case .float8E4M3FN: .f8e4m3
        case .float8E4M3FNUZ: .f8e4m3fnuz
        case .float8E5M2FNUZ: .f8e5m2fnuz
        case .string, .resource, .variant, .complex128, .qint8, .quint8, .qint16, .quint16, .qint32,
            .float8E4M3B11FNUZ, .int4, .uint4, .int2, .uint2, .float4E2M1FN:
            nil
        }
    }
}
