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
        /// Whether tensors lie in one piece.
        private let arePlaced: Bool

        init(_ sizes: [[Int]], arePlaced: Bool = true) throws {
            self.arePlaced = arePlaced
            owners = sizes.enumerated().flatMap { file, sizes in sizes.map { _ in file } }
            tensors = try sizes.joined().enumerated().map { number, size in
                let shape = try #require(Shape([size * 1000]))
                return try #require(TensorInfo(name: "t\(number)", scalarType: .u8, shape: shape))
            }
        }

        func fileIndex(ofTensor index: Int) -> Int { owners[index] }
        func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {}
        func place(ofTensor index: Int) -> (file: Int, offset: Int)? { arePlaced ? (owners[index], 0) : nil }
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

    /// Runs of the large ones follow each other from end to end, and begin where they may; the others stay whole.
    @Test(arguments: [1, 2, 3, 7, 64, 1000])
    func cutsWhatIsLargerThanAShare(_ count: Int) throws {
        let source = try Source([[3, 5000, 40, 40], [2000, 1, 900], [600, 600]])
        // Elements of 4 bits in runs of 192; the last tensor is read by two units, and the one before it cannot be cut.
        let large: Set = [1, 4, 6]
        let units = source.tensors.indices.map { index in
            let count = 2 * source.tensors[index].byteCount
            return Partition.Unit(
                reading: index == 7 ? [7, 8] : [index],
                grain: large.contains(index) || index == 8
                    ? Partition.Grain(source: index, bitCount: 4, elementCount: count, unit: 192) : nil)
        }
        let partition = Partition(cutting: units, of: source, count: count)
        let shares = try (1...count).map { partition.share(of: try #require(PartNumber($0, of: count))) }
        let runs = shares.flatMap(\.runs), cut = Set(runs.map(\.unit))
        #expect(cut.isSubset(of: large) && (count == 1) == cut.isEmpty)
        #expect((shares.flatMap(\.units) + cut).sorted() == Array(units.indices))
        #expect((shares.flatMap(\.sources) + cut).sorted() == Array(source.tensors.indices))
        for index in cut {
            var element = 0, byte = 0
            for run in runs where run.unit == index {
                #expect(run.elements.lowerBound == element && run.bytes.lowerBound == byte && element % 192 == 0 && byte == element / 2)
                (element, byte) = (run.elements.upperBound, run.bytes.upperBound)
            }
            #expect(byte == source.tensors[index].byteCount && element == 2 * byte)
        }
        let total = source.tensors.reduce(0) { $0 + $1.byteCount }
        #expect(shares.reduce(0) { $0 + $1.inputByteCount } == total)
        // But for whole ones of a share and two of 600,000 that are read together.
        for share in shares { #expect(share.inputByteCount <= total / count + 1_300_000) }
        if count == 7 { #expect(cut == [1, 4] && runs.count == 7) }
        let scattered = Partition(
            cutting: units, of: try Source([[3, 5000, 40, 40], [2000, 1, 900], [600, 600]], arePlaced: false), count: count)
        #expect(try (1...count).allSatisfy { scattered.share(of: try #require(PartNumber($0, of: count))).runs.isEmpty })
    }
}
