import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Checksums of tensors in pieces, and what identifies a model.
@Suite struct FingerprintTests {
    private static func info(_ name: String, _ type: ScalarType, _ dimensions: [Int]) throws -> TensorInfo {
        let shape = try #require(Shape(dimensions))
        return try #require(TensorInfo(name: name, scalarType: type, shape: shape))
    }

    /// sha256 of "a\tF32\t2,3\t00000001\nb\tU8\t\t0000abcd\n", by sha256sum.
    static let expected = "sha256:a617d0c1a77f5e0f2218dc278273eea7756002a358c95c695b2e9bb93ca249be"

    @Test func isTheSumOfItsLines() throws {
        let (a, b) = (try Self.info("a", .f32, [2, 3]), try Self.info("b", .u8, []))
        let pairs = [(b, CRC32C(value: 0xabcd)), (a, CRC32C(value: 1))]
        #expect(Fingerprint(of: pairs.map(\.0), checksums: pairs.map(\.1)).description == Self.expected)
        #expect(Fingerprint(of: pairs.reversed().map(\.0), checksums: pairs.reversed().map(\.1)).description == Self.expected)
    }

    @Test func everyFieldMatters() throws {
        let infos = [
            try Self.info("a", .f32, [2, 3]), try Self.info("A", .f32, [2, 3]), try Self.info("a", .i32, [2, 3]),
            try Self.info("a", .f32, [3, 2]),
            try Self.info("a", .f32, [6]),
        ]
        var found = Set(infos.map { Fingerprint(of: [$0], checksums: [CRC32C(value: 1)]) })
        found.insert(Fingerprint(of: [infos[0]], checksums: [CRC32C(value: 2)]))
        found.insert(Fingerprint(of: [], checksums: []))
        #expect(found.count == 7)
    }

    @Test(arguments: [
        "", "sha256:", "sha256:" + String(repeating: "0", count: 63), "sha256:" + String(repeating: "A", count: 64), "sha512:00",
    ])
    func refusesOtherTexts(_ text: String) {
        #expect(Fingerprint(text) == nil)
    }

    @Test func piecesComeInAnyOrder() {
        let bytes = [UInt8](0..<100)
        for cuts in [[0, 100], [0, 1, 100], [0, 33, 66, 100], [0, 50, 50, 100]] {
            let table = ChecksumTable(tensorCount: 2)
            for (start, end) in zip(cuts, cuts.dropFirst()).reversed() {
                bytes[start..<end].withUnsafeBytes { table.record($0, tensor: 1, atByteOffset: start) }
            }
            #expect(table.checksum(ofTensor: 1, byteCount: 100) == CRC32C(of: bytes))
            #expect(table.checksum(ofTensor: 1, byteCount: 99) == nil && table.checksum(ofTensor: 1, byteCount: 101) == nil)
            #expect(table.checksum(ofTensor: 0, byteCount: 0) == CRC32C() && table.checksum(ofTensor: 0, byteCount: 1) == nil)
        }
    }

    @Test(arguments: [[(0, 50)], [(50, 100)], [(0, 50), (51, 100)], [(0, 50), (49, 100)], [(0, 100), (0, 100)]])
    func incompletePiecesGiveNoChecksum(_ ranges: [(Int, Int)]) {
        let table = ChecksumTable(tensorCount: 1)
        let bytes = [UInt8](0..<100)
        for (start, end) in ranges { bytes[start..<end].withUnsafeBytes { table.record($0, tensor: 0, atByteOffset: start) } }
        #expect(table.checksum(ofTensor: 0, byteCount: 100) == nil)
    }

    @Test(arguments: [[(0, 100), (0, 100)], [(50, 100), (50, 100), (0, 50), (0, 50)], [(0, 50), (0, 20), (50, 100), (20, 70)]])
    func piecesThatComeAgainCountOnce(_ ranges: [(Int, Int)]) {
        let table = ChecksumTable(tensorCount: 1)
        let bytes = [UInt8](0..<100)
        var counted = 0
        for (start, end) in ranges where bytes[start..<end].withUnsafeBytes({ table.recordOnce($0, tensor: 0, atByteOffset: start) }) {
            counted += end - start
        }
        #expect(counted == 100 && table.checksum(ofTensor: 0, byteCount: 100) == CRC32C(of: bytes))
        table.reset(0)
        #expect(table.checksum(ofTensor: 0, byteCount: 100) == nil && table.checksum(ofTensor: 0, byteCount: 0) == CRC32C())
    }

    @Test func storageOrderIsByAlignmentThenName() throws {
        let infos = [
            try Self.info("b.10", .f32, [16]), try Self.info("b.9", .f32, [16]), try Self.info("odd", .u8, [3]),
            try Self.info("a", .f32, [1]),
            try Self.info("empty", .f32, [0]), try Self.info("half", .f16, [1]), try Self.info("large", .f32, [160]),
        ]
        #expect(StorageOrder.indices(of: infos).map { infos[$0].name } == ["b.9", "b.10", "empty", "large", "a", "half", "odd"])
    }
}
