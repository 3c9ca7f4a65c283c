import ByteIO
import Checkpoints
import Conversion
import Quantization
import SafetensorsFormat
import Streaming
import TensorCore
import TestSupport
import Testing

/// `formats/bitsandbytes-4bit.md` says what we do: its tables are ours, its example was written by the libraries.
@Suite struct BitsandbytesDocumentTests {
    private static let name = "bitsandbytes-4bit.md"

    /// The dense weight of the example.
    private static let values = (0..<35).map { Float($0) / ($0 % 2 == 0 ? 2 : -2) }

    /// Cells of the table whose first column has this title, without the title and the line below it.
    private static func table(_ title: String) throws -> [[String]] {
        let lines = try Fixture.document(name).split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(where: { $0.hasPrefix("| \(title) |") }) else { throw HexDump.Missing(document: name) }
        return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.map { line in
            line.split(separator: "|").map { cell in String(cell.filter { $0 != " " && $0 != "`" }) }
        }
    }

    @Test func codebooksAreOurs() throws {
        let rows = try Self.table("code")
        #expect(rows.count == 16)
        for (code, row) in rows.enumerated() {
            #expect(Int(row[0]) == code)
            for (type, column) in [(QuantType.nf4, 1), (.fp4, 3)] {
                let value = type.quantMap.values[code]
                #expect(UInt32(row[column], radix: 16) == value.bitPattern)
                #expect((try #require(Float(row[column + 1])) - value).magnitude <= 0.00005)
            }
        }
    }

    /// A value equal to a threshold lies below it, the next one above.
    @Test func thresholdsAreOurs() throws {
        let rows = try Self.table("interval")
        #expect(rows.count == 16)
        for type in QuantType.allCases {
            for index in 0..<15 {
                let threshold = Float(bitPattern: try #require(UInt32(rows[index][type == .nf4 ? 1 : 2], radix: 16)))
                let codes = try Self.codes([threshold, threshold.nextUp], type)
                let expected = type == .nf4 ? [index, index + 1] : try [rows[index], rows[index + 1]].map { try #require(Int($0[3])) }
                #expect(codes == expected, "\(type) \(index)")
            }
        }
    }

    /// Codes of two values in a full block whose absmax is 1.
    private static func codes(_ values: [Float], _ type: QuantType) throws -> [Int] {
        let block = values + [1] + [Float](repeating: 0, count: 29)
        var packed = [UInt8](repeating: 0, count: 16)
        var constants: [Float] = [0]
        block.withUnsafeBytes { bytes in
            var span = packed.mutableSpan
            var codes = span.mutableBytes
            var absmax = constants.mutableSpan
            _ = BlockQuantizer.quantize(
                RawSpan(_unsafeBytes: bytes), of: .f32, as: type, blockSize: 32, packed: &codes, absmax: &absmax)
        }
        #expect(constants == [1])
        return [Int(packed[0] >> 4), Int(packed[0] & 15)]
    }

    @Test func checksumOfTheMapIsRight() throws {
        let bytes = DynamicMap.values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
        let checksum = CRC32C(of: bytes)
        #expect(try Fixture.document(Self.name).contains("its crc32c is\n`\(checksum)`"), "it is \(checksum)")
    }

    @Test func exampleHoldsWhatTheDocumentSays() throws {
        let folder = try TemporaryFolder()
        try folder.write(try HexDump.example(inDocument: Self.name), to: "example.safetensors")
        let checkpoint = try Checkpoint.open(folder.path("example.safetensors"))
        #expect(checkpoint.kind == .bitsandbytes)
        let weight = try #require(checkpoint.tensors.first)
        #expect(weight.name == "proj.weight" && weight.shape.dimensions == [5, 7] && weight.scalarType == .f32)
        let reader = try QuantizedReader(source: checkpoint.source, tensor: try #require(weight.quantized))
        #expect(try reader.absmax(ofBlocks: 0..<2) == [15.5, 17])
        var codes = [UInt8](repeating: 0, count: 18)
        try codes.withUnsafeMutableBytes { try reader.readCodes(0..<35, into: $0) }
        #expect(codes.last == 0xf7 && codes[16] == 0xf0)
    }

    /// Our quantizer gives every byte that the libraries wrote.
    @Test func exampleIsWhatQuantizingItsWeightGives() throws {
        let folder = try TemporaryFolder()
        let shape = try #require(Shape([5, 7]))
        let plan = [try #require(TensorInfo(name: "proj.weight", scalarType: .f32, shape: shape))]
        let output = try AtomicOutput(destination: folder.path("dense.safetensors"), replaces: false)
        let file = try output.file()
        let writer = try SafetensorsWriter(file: file, plan: plan, metadata: [("format", "pt")])
        try Self.values.withUnsafeBytes { try writer.write($0, tensor: 0) }
        _ = try writer.finish { _ in [("format", "pt")] }
        try output.commit([file])
        let conversion = try ConversionPlan(
            try Checkpoint.open(folder.path("dense.safetensors")),
            settings: QuantizationSettings(quantType: .nf4, blockSize: 32, isDoubleQuantized: false), rules: ConversionRules(),
            castingTo: nil,
            toolVersion: "0.1.0", options: [])
        _ = try Conversion(conversion, resources: Resources(threadCount: 1), allowsNonfinite: false)
            .run(path: folder.path("model.qnf"), replaces: false)
        try folder.write(try HexDump.example(inDocument: Self.name), to: "example.safetensors")
        #expect(try Self.tensors(folder.path("model.qnf")) == Self.tensors(folder.path("example.safetensors")))
    }

    private static func tensors(_ path: String) throws -> [String: [UInt8]] {
        let source = try SafetensorsFile(path: path)
        var result: [String: [UInt8]] = [:]
        for (index, info) in source.tensors.enumerated() {
            var bytes = [UInt8](repeating: 0, count: info.byteCount)
            try bytes.withUnsafeMutableBytes { try source.read(tensor: index, atByteOffset: 0, into: $0) }
            result["\(info.name) \(info.scalarType.rawValue) \(info.shape)"] = bytes
        }
        return result
    }
}
