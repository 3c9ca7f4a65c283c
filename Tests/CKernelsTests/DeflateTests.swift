import CKernels
import TestSupport
import Testing

/// That zlib reads what is written is tested where zlib is (`OperationsTests`); here, what the streams look like.
struct DeflateTests {
    private static func deflated(_ bytes: [UInt8], boundary: Int = 0) -> [UInt8] {
        var output = [UInt8](repeating: 0xee, count: qk_deflate_limit(bytes.count) + 16)
        let count = qk_deflate(bytes, bytes.count, boundary, &output)
        #expect(count <= qk_deflate_limit(bytes.count))
        #expect(output[qk_deflate_limit(bytes.count)...].allSatisfy { $0 == 0xee }, "nothing is written behind the limit")
        return Array(output[..<count])
    }

    @Test func storesWhatNoCodeShortens() {
        #expect(Self.deflated([]) == [1, 0, 0, 0xff, 0xff])
        #expect(Self.deflated([7, 9]) == [1, 2, 0, 0xfd, 0xff, 7, 9])
        #expect(Self.deflated([7, 9], boundary: 1) == [0, 1, 0, 0xfe, 0xff, 7, 1, 1, 0, 0xfe, 0xff, 9])
        #expect(Self.deflated([7, 9], boundary: 2) == Self.deflated([7, 9]))
        var random = SeededGenerator(seed: 3)
        let noise = (0..<70000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        #expect(Self.deflated(noise).count == noise.count + 3 * 5)
    }

    /// A bit for each byte, and little besides.
    @Test func codesOfASingleByteTakeABit() {
        let count = Self.deflated([UInt8](repeating: 200, count: 32768)).count
        #expect((32768 / 8..<32768 / 8 + 64).contains(count), "\(count)")
    }

    /// Within a percent, and the tables, of what the frequencies allow.
    @Test func isCloseToTheEntropy() {
        // 2^n bytes n for n up to 14: codes of all lengths, the longest cut to what a code may have.
        let bytes = (0..<15).flatMap { [UInt8](repeating: UInt8($0), count: 1 << $0) }
        let entropyBits = (0..<15).reduce(0.0) { $0 + Double(1 << $1) * Double(15 - $1) }
        let count = Self.deflated(bytes).count
        #expect(Double(count) < 1.01 * entropyBits / 8 + 80, "\(count) bytes, entropy \(entropyBits / 8)")
    }
}
