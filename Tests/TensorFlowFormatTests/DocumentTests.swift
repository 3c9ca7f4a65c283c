import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import TensorFlowFormat

/// The example in `formats/tensorflow-bundle.md` is a bundle, and what is said of its bytes is true.
@Suite struct DocumentTests {
    private static func lines() throws -> [Substring] {
        try Fixture.document("tensorflow-bundle.md").split(separator: "\n", omittingEmptySubsequences: false)
    }

    private static func bytes(_ hexadecimal: some StringProtocol) -> [UInt8] {
        hexadecimal.split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }

    /// The blocks fenced as `hex`.
    private static func dumps() throws -> [[UInt8]] {
        var dumps: [[UInt8]] = []
        var isInside = false
        for line in try lines() {
            if line == "```hex" { dumps.append([]) }
            if isInside, line != "```" { dumps[dumps.count - 1] += bytes(line) }
            if line.hasPrefix("```") { isInside = line == "```hex" }
        }
        return dumps
    }

    @Test func dumpsAreTheFixture() throws {
        let fixture = BundleFixture.named("f16")
        #expect(try Self.dumps() == [fixture.bytes(".index"), fixture.bytes(".data-00000-of-00001")])
    }

    @Test func dumpsAreABundle() throws {
        let dumps = try Self.dumps()
        try #require(dumps.count == 2)
        let folder = try TemporaryFolder()
        try folder.write(dumps[0], to: "model.ckpt.index")
        try folder.write(dumps[1], to: "model.ckpt.data-00000-of-00001")
        let bundle = try TensorBundle.open(path: folder.path)
        #expect(
            bundle.tensors.map { "\($0.name) \($0.scalarType.rawValue) \($0.shape)" } == [
                "model/b F16 [7]", "model/w F16 [1, 5, 7]",
            ])
        for index in bundle.tensors.indices {
            let values = try bundle.bytes(ofTensor: index).withUnsafeBytes { bytes in
                (0..<bytes.count / 2).map {
                    Float(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)))
                }
            }
            #expect(values == values.indices.map { (Float($0) - 5) / 8 })
        }
        try bundle.verifyAll()
    }

    @Test func explainsEveryByteOfTheIndex() throws {
        let index = try #require(Self.dumps().first)
        var next = 0
        for line in try Self.lines() {
            let cells = line.split(separator: "|").map { $0.drop { $0 == " " } }
            guard cells.count == 3, cells[1].hasPrefix("`"), let offset = Int(cells[0].prefix { $0 != " " }, radix: 16),
                cells[0].prefix(while: { $0 != " " }).count == 2, next < index.count
            else { continue }
            let bytes = Self.bytes(cells[1].dropFirst().prefix { $0 != "`" })
            guard offset == next, !bytes.isEmpty else { continue }
            #expect(Array(index[offset..<min(offset + bytes.count, index.count)]) == bytes, "at \(offset)")
            next += bytes.count
        }
        #expect(next == index.count)
    }

    @Test func tellsTheTruthAboutNumbersWithSign() throws {
        for (number, text) in [(0, "80"), (63, "bf"), (64, "c0 40"), (130, "c0 82"), (8192, "e0 20 00"), (-1, "7f")] {
            var written: [UInt8] = []
            OrderedCode.append(number, to: &written)
            #expect(written == Self.bytes(text))
            #expect(try Self.lines().contains { $0.contains("| \(number) | `\(text)` |") }, "\(number)")
        }
    }

    @Test func listsEveryType() throws {
        var listed: [Int: String] = [:]
        for line in try Self.lines() where line.hasPrefix("| ") {
            let cells = line.split(separator: "|").map { $0.split(separator: " ").joined(separator: " ") }
            // Two tables side by side: number, type, read as.
            for columns in [cells.prefix(3), cells.dropFirst(4)] where columns.count == 3 {
                let (numbers, types) = (columns.first ?? "", columns.dropFirst().first ?? "")
                for (number, type) in zip(numbers.split(separator: ", "), types.split(separator: ", ")) {
                    if let number = Int(number) { listed[number] = listed[number] ?? "\(type) \(columns.last ?? "")" }
                }
            }
        }
        for number in 1...33 {
            let type = try #require(TensorFlowType(rawValue: number))
            #expect(listed[number] == "\(type.name) \(type.scalarType?.rawValue ?? "listed")")
        }
        #expect(TensorFlowType(rawValue: 34) == nil)
    }

    @Test func statesTheLimits() throws {
        let text = try Self.lines().joined(separator: "\n")
        let limits = TableLimits()
        for limit in [
            "| index file | \(limits.fileByteCount >> 20) MiB |",
            "| snappy block, decompressed | \(limits.decompressedByteCount >> 20) MiB, "
                + "and \(Snappy.largestRatio) times its stored bytes |",
            "| key | \(limits.keyByteCount >> 10) KiB |", "| all keys of an index | \(limits.allKeysByteCount >> 20) MiB |",
            "| dimensions | \(TensorShapeLimits.rank) |", "| `checkpoint` | \(CheckpointState.fileByteCount >> 20) MiB |",
        ] {
            #expect(text.contains(limit), "\(limit)")
        }
        #expect(limits.entryCount == 1_048_576 && text.contains("| entries | 1 048 576 |"))
        #expect(PartitionedTensor.pieceLimit == 16_384 && text.contains("| slices of a tensor | 16 384 |"))
    }
}
