import ByteIO
import CKernels
import Testing

@Suite struct ChecksumTests {
    /// From RFC 3720 (iSCSI), B.4, and the check value that every CRC-32C is known by.
    @Test(
        "gives known values",
        arguments: [
            ([], 0), (Array("123456789".utf8), 0xe306_9283), (Array("a".utf8), 0xc1d0_4330),
            (Array(repeating: 0, count: 32), 0x8a91_36aa), (Array(repeating: 0xff, count: 32), 0x62a8_ab43),
            (Array(0..<32), 0x46dd_794e), (Array((0..<32).reversed()), 0x113f_db5c),
        ] as [([UInt8], UInt32)])
    func givesKnownValues(bytes: [UInt8], expected: UInt32) {
        #expect(CRC32C(of: bytes).value == expected)
    }

    /// Deterministic and without a period that could hide an error.
    private static func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13 ^ $0) }
    }

    /// One bit at a time, as the polynomial is written.
    private static func bitwise(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 0 ? 0 : 0x82f6_3b78) } }
    }

    @Test func everyLengthAndAlignmentAgreesWithTheScalarTwin() {
        let bytes = Self.bytes(308)
        bytes.withUnsafeBytes { buffer in
            for start in 0..<8 {
                for count in 0...300 {
                    let part = UnsafeRawBufferPointer(rebasing: buffer[start..<start + count])
                    let expected = Self.bitwise(part)
                    #expect(CRC32C(of: part).value == expected, "\(start) \(count)")
                    #expect(qk_crc32c_scalar(0, part.baseAddress, count) == expected, "\(start) \(count)")
                }
            }
        }
    }

    /// Runs of three streams of 4096 bytes are taken from 12288 bytes on.
    @Test("long runs agree with the scalar twin", arguments: [12_287, 12_288, 12_289, 24_575, 24_576, 40_000, 1 << 20])
    func longRunsAgree(count: Int) {
        let bytes = Self.bytes(count)
        let whole = CRC32C(of: bytes)
        #expect(whole.value == bytes.withUnsafeBytes { qk_crc32c_scalar(0, $0.baseAddress, count) })
        for split in [0, 1, 7, 4096, 12_288, count / 2, count] where split <= count {
            var appended = CRC32C(of: Array(bytes[..<split]))
            Array(bytes[split...]).withUnsafeBytes { appended.append($0) }
            #expect(appended == whole)
        }
    }

    @Test func combinesRunsWithoutTheirBytes() {
        let bytes = Self.bytes(5000)
        let whole = CRC32C(of: bytes)
        for split in [0, 1, 2, 3, 63, 64, 65, 1000, 4095, 4096, 4999, 5000] {
            var combined = CRC32C(of: Array(bytes[..<split]))
            combined.append(CRC32C(of: Array(bytes[split...])), byteCount: bytes.count - split)
            #expect(combined == whole, "\(split)")
        }
        // Many runs, in order.
        var combined = CRC32C()
        for start in stride(from: 0, to: 5000, by: 37) {
            let run = Array(bytes[start..<min(start + 37, 5000)])
            combined.append(CRC32C(of: run), byteCount: run.count)
        }
        #expect(combined == whole)
    }

    /// 2^40 zero bytes after "123456789" in 64 steps of doubling.
    @Test func combinesRunsLongerThanMemory() {
        var zeros = CRC32C(of: [0])
        var count = 1
        for _ in 0..<40 {
            zeros.append(zeros, byteCount: count)
            count *= 2
        }
        var one = CRC32C(of: Array("123456789".utf8))
        var two = one
        one.append(zeros, byteCount: 1 << 40)
        var half = CRC32C(of: [0])
        count = 1
        for _ in 0..<39 {
            half.append(half, byteCount: count)
            count *= 2
        }
        two.append(half, byteCount: 1 << 39)
        two.append(half, byteCount: 1 << 39)
        #expect(one == two)
        #expect(one != CRC32C(of: Array("123456789".utf8)))
    }

    @Test func masksBothWays() {
        // LevelDB's own test: the mask changes the value, twice is not once, and it can be undone.
        let crc = CRC32C(of: Array("foo".utf8))
        #expect(crc.masked != crc.value)
        #expect(CRC32C(value: crc.masked).masked != crc.value)
        #expect(CRC32C(masked: crc.masked) == crc)
        #expect(CRC32C(value: 0).masked == 0xa282_ead8)
        for value in [0, 1, 0x7fff, 0x8000, 0xffff_ffff, 0xe306_9283, 0x5d7d_1528] as [UInt32] {
            #expect(CRC32C(masked: CRC32C(value: value).masked).value == value)
            #expect(CRC32C(value: CRC32C(masked: value).value).masked == value)
        }
    }

    @Test func isWrittenWithEightDigits() {
        #expect(CRC32C(value: 0).description == "00000000")
        #expect(CRC32C(value: 0xabc).description == "00000abc")
        #expect(CRC32C(hexadecimal: "e3069283")?.value == 0xe306_9283)
        #expect(CRC32C(hexadecimal: "e3069283abc".prefix(8))?.value == 0xe306_9283)
        for text in ["", "e306928", "e30692831", "E3069283", "0xe30692", "+3069283", "-3069283", "e306928g", " e306928", "e306\u{661}28"] {
            #expect(CRC32C(hexadecimal: text) == nil, "\(text)")
        }
    }
}
