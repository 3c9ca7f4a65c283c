import TensorCore

/// Elements as numbers, exactly as they are stored.
package enum ElementValues: Sendable {
    case real([Double])
    case integer([Int128])
    /// Real and imaginary parts.
    case complex([(Double, Double)])

    package var count: Int {
        switch self {
        case .real(let values): values.count
        case .integer(let values): values.count
        case .complex(let values): values.count
        }
    }

    /// Decodes `count` elements of any type from `firstBit` of `bytes` on.
    ///
    /// Elements of less than a byte follow each other from the lowest bit of the first byte on, as Open Compute's
    /// microscaling formats are packed by PyTorch; safetensors itself does not say.
    static func decode(_ bytes: UnsafeRawBufferPointer, of type: ScalarType, firstBit: Int = 0, count: Int) -> ElementValues {
        func loaded<Element: BitwiseCopyable>(_ type: Element.Type) -> [Element] {
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: firstBit / 8 + $0 * MemoryLayout<Element>.size, as: type) }
        }
        func integers<Element: FixedWidthInteger & BitwiseCopyable>(_ type: Element.Type) -> ElementValues {
            .integer(loaded(type).map { Int128($0) })
        }
        switch type {
        case .bool, .u8: return integers(UInt8.self)
        case .i8: return integers(Int8.self)
        case .u16: return integers(UInt16.self)
        case .i16: return integers(Int16.self)
        case .u32: return integers(UInt32.self)
        case .i32: return integers(Int32.self)
        case .u64: return integers(UInt64.self)
        case .i64: return integers(Int64.self)
        case .f64: return .real(loaded(Double.self))
        case .c64: return .complex(loaded(SIMD2<Float>.self).map { (Double($0.x), Double($0.y)) })
        case .f32, .f16, .bf16, .f8e4m3, .f8e5m2:
            var values = [Float](repeating: 0, count: count)
            var destination = values.mutableSpan
            let first = firstBit / 8
            let elements = UnsafeRawBufferPointer(rebasing: bytes[first..<first + count * type.bitCount / 8])
            FloatConversion.widen(RawSpan(_unsafeBytes: elements), of: type, into: &destination)
            return .real(values.map(Double.init))
        case .f4, .f6e2m3, .f6e3m2, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz:
            guard let patterns = SmallFloats.values(of: type) else { preconditionFailure("\(type) is a small float") }
            return .real(
                (0..<count).map { index in
                    let bit = firstBit + index * type.bitCount
                    // An element of 6 bits may reach into the next byte.
                    let next = bit / 8 + 1 < bytes.count ? Int(bytes[bit / 8 + 1]) << 8 : 0
                    return Double(patterns[(Int(bytes[bit / 8]) | next) >> (bit % 8) & (patterns.count - 1)])
                })
        }
    }

    /// Those of several runs, one after the other; all of the same kind.
    static func joined(_ runs: [ElementValues]) -> ElementValues {
        var real: [Double] = [], integer: [Int128] = [], complex: [(Double, Double)] = []
        for run in runs {
            switch run {
            case .real(let values): real += values
            case .integer(let values): integer += values
            case .complex(let values): complex += values
            }
        }
        switch runs.first {
        case .integer: return .integer(integer)
        case .complex: return .complex(complex)
        case .real, nil: return .real(real)
        }
    }
}
