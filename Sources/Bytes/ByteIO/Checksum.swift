import CKernels

/// CRC-32C of a run of bytes, extended and combined; 0 for no bytes.
package struct CRC32C: Hashable, Sendable, CustomStringConvertible {
    package var value: UInt32

    package init(value: UInt32 = 0) { self.value = value }

    package init(of bytes: UnsafeRawBufferPointer) {
        value = qk_crc32c(0, bytes.baseAddress, bytes.count)
    }

    package init(of bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { CRC32C(of: $0) }
    }

    /// Goes on with bytes that follow those already counted.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        value = qk_crc32c(value, bytes.baseAddress, bytes.count)
    }

    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Goes on with a run whose own CRC is known, without its bytes.
    package mutating func append(_ other: CRC32C, byteCount: Int) {
        value = qk_crc32c_combine(value, other.value, UInt64(byteCount))
    }

    /// The stored form of LevelDB and TensorFlow: rotated and offset, so that a CRC of data that holds CRCs stays sound.
    package var masked: UInt32 { (value >> 15 | value << 17) &+ 0xa282_ead8 }

    /// From the masked form.
    package init(masked: UInt32) {
        let rotated = masked &- 0xa282_ead8
        value = rotated >> 17 | rotated << 15
    }

    /// Eight lower-case hexadecimal digits.
    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// From eight lower-case hexadecimal digits; nil for anything else.
    package init?(hexadecimal text: some StringProtocol) {
        guard text.utf8.count == 8, text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }),
            let value = UInt32(text, radix: 16)
        else { return nil }
        self.value = value
    }
}
