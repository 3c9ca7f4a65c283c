import ByteIO
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

/// The example of `formats/safetensors.md` is a real file and what we write today; types and limits are those of the code.
@Suite struct SafetensorsDocumentTests {
    private static let values: [(name: String, type: ScalarType, dimensions: [Int], bytes: [UInt8])] = [
        ("norm.weight", .f32, [2], [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]), ("empty", .f16, [0, 4], []), ("ids", .u8, [3], [1, 2, 3]),
    ]

    @Test func exampleIsWhatWeWrite() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("example"), replaces: false)
        let file = try output.file()
        let plan = try Self.values.map { value in
            let shape = try #require(Shape(value.dimensions))
            return try #require(TensorInfo(name: value.name, scalarType: value.type, shape: shape))
        }
        let writer = try SafetensorsWriter(file: file, plan: plan, metadata: [("format", "pt")])
        for (index, value) in Self.values.enumerated() { try value.bytes.withUnsafeBytes { try writer.write($0, tensor: index) } }
        try writer.finish { _ in [("format", "pt")] }
        try output.commit([file])
        let written = try InputFile(path: folder.path("example")).allBytes(limit: 4096)
        let documented = try HexDump.example(inDocument: "safetensors.md")
        #expect(written == documented, "formats/safetensors.md should say:\n\(HexDump.text(written))")
    }

    @Test func exampleHoldsWhatTheDocumentSays() throws {
        let folder = try TemporaryFolder()
        try folder.write(try HexDump.example(inDocument: "safetensors.md"), to: "example")
        let file = try SafetensorsFile(path: folder.path("example"))
        #expect(file.dataStart == 256)
        #expect(file.metadata("format") == "pt")
        #expect(file.tensors.map(\.name) == Self.values.map(\.name))
        #expect(file.tensors.map(\.scalarType) == Self.values.map(\.type))
        #expect(file.tensors.map(\.shape.dimensions) == Self.values.map(\.dimensions))
        for (index, value) in Self.values.enumerated() {
            var bytes = [UInt8](repeating: 0xee, count: file.tensors[index].byteCount)
            try bytes.withUnsafeMutableBytes { try file.read(tensor: index, atByteOffset: 0, into: $0) }
            #expect(bytes == value.bytes)
        }
        #expect([1, -2].map { Float($0).bitPattern } == [0x3f80_0000, 0xc000_0000])
    }

    @Test func listsEveryType() throws {
        var listed: [String: Int] = [:]
        for line in try Fixture.document("safetensors.md").split(separator: "\n")
        where line.hasPrefix("| `") || line.hasPrefix("| | ") {
            // Three tables side by side: dtype, bits.
            let cells = line.split(separator: "|").map { String($0.filter { $0 != " " && $0 != "`" }) }
            for (name, bits) in zip(cells, cells.dropFirst()) where ScalarType(rawValue: name) != nil { listed[name] = Int(bits) }
        }
        #expect(listed == Dictionary(uniqueKeysWithValues: ScalarType.allCases.map { ($0.rawValue, $0.bitCount) }))
    }

    @Test func statesTheLimits() throws {
        let text = try Fixture.document("safetensors.md")
        #expect(SafetensorsHeader.byteCountLimit == 100_000_000 && text.contains("N MUST NOT be more than 100 000 000"))
        #expect(text.contains("MUST NOT have more than \(Shape.rankLimit) dimensions"))
        #expect(text.contains("from 0 to \(Int.max)"))
        #expect(text.contains("Data begins at a multiple of \(SafetensorsWriter.alignment)"))
    }
}
