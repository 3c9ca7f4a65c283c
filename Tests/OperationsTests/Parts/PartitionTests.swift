import ByteIO
import Checkpoints
import TensorCore
import TestSupport
import Testing

@testable import Parts

/// Whatever a plan is cut into, all of it is done, and once.
@Suite struct PartitionTests {
    /// Tensors of so many thousand bytes each, in as many files as there are lists.
    private struct Source: TensorSource {
        let path = "source"
        let tensors: [TensorInfo]
        let files: [InputFile] = []
        private let owners: [Int]

        init(_ sizes: [[Int]]) throws {
            owners = sizes.enumerated().flatMap { file, sizes in sizes.map { _ in file } }
            tensors = try sizes.joined().enumerated().map { number, size in
                let shape = try #require(Shape([size * 1000]))
                return try #require(TensorInfo(name: "t\(number)", scalarType: .u8, shape: shape))
            }
        }

        func fileIndex(ofTensor index: Int) -> Int { owners[index] }
        func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {}
        func place(ofTensor index: Int) -> (file: Int, offset: Int)? { nil }
    }

    private static let sizes = [[100, 0, 30, 30], [500, 7, 7, 7, 7, 90], [200, 200, 200], [1]]

    @Test(arguments: [1, 2, 3, 7, 14, 100])
    func doesEverythingOnce(_ count: Int) throws {
        let source = try Source(Self.sizes)
        // Two units read tensor 4, none reads 2 and 9; one reads nothing at all.
        let units = [[0, 1], [], [12, 11], [3, 4], [5], [6, 4], [7, 8], [10], [13]]
        let partition = Partition(units: units, of: source, count: count)
        let shares = try (1...count).map { partition.share(of: try #require(PartNumber($0, of: count))) }
        #expect(shares.flatMap(\.units).sorted() == Array(units.indices))
        #expect(shares.flatMap(\.sources).sorted() == Array(source.tensors.indices))
        #expect(shares.reduce(0) { $0 + $1.inputByteCount } == source.tensors.reduce(0) { $0 + $1.byteCount })
        for share in shares { #expect(share.inputByteCount == share.sources.reduce(0) { $0 + source.tensors[$1].byteCount }) }
    }

    /// Off by less than the largest tensor, and a run of the source.
    @Test(arguments: [1, 2, 3, 7, 64])
    func isBalancedAndKeepsTheOrder(_ count: Int) throws {
        var generator = SeededGenerator(seed: 5)
        let sizes = (0..<6).map { _ in (0..<200).map { _ in Int.random(in: 0...400, using: &generator) } }
        let source = try Source(sizes)
        let partition = Partition(units: source.tensors.indices.map { [$0] }, of: source, count: count)
        let shares = try (1...count).map { partition.share(of: try #require(PartNumber($0, of: count))) }
        let mean = source.tensors.reduce(0) { $0 + $1.byteCount } / count
        for share in shares { #expect(abs(share.inputByteCount - mean) <= 400_000) }
        #expect(shares.flatMap(\.units) == Array(source.tensors.indices))
    }
}
