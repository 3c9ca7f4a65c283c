import CKernels
import TestSupport
import Testing

struct CRC32CTests {
    @Test func givesTheCheckValue() {
        #expect(qk_crc32c(0, "123456789", 9) == 0xe306_9283)
        #expect(qk_crc32c_scalar(0, "123456789", 9) == 0xe306_9283)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 1000, 3071, 3072, 3073, 98_303, 98_304, 98_305, 202_003])
    func bothWaysAgree(_ count: Int) {
        var random = SeededGenerator(seed: 1)
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(qk_crc32c(0, bytes, count) == qk_crc32c_scalar(0, bytes, count))
        let head = qk_crc32c(0, bytes, count / 3)
        let tail = bytes.withUnsafeBytes { qk_crc32c(0, $0.baseAddress.map { $0 + count / 3 }, count - count / 3) }
        #expect(qk_crc32c_combine(head, tail, UInt64(count - count / 3)) == qk_crc32c(0, bytes, count))
    }
}
