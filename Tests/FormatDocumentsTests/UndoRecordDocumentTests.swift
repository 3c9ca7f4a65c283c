import Adapters
import ByteIO
import Checkpoints
import Compression
import JSONText
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Merging
@testable import Streaming

/// The undo record in `formats/qnf.md` undoes the merge that the document describes.
@Suite struct UndoRecordDocumentTests {
    private static func bf16(_ values: [Float]) -> [UInt8] {
        values.flatMap { value in [UInt8(value.bitPattern >> 16 & 255), UInt8(value.bitPattern >> 24)] }
    }

    private static func write(_ tensors: [(TensorInfo, [UInt8])], to name: String, in folder: TemporaryFolder) throws {
        let output = try AtomicOutput(destination: folder.path(name), replaces: false)
        let file = try output.file()
        let writer = try SafetensorsWriter(file: file, plan: tensors.map(\.0), metadata: [("format", "pt")])
        for (index, tensor) in tensors.enumerated() { try tensor.1.withUnsafeBytes { try writer.write($0, tensor: index) } }
        try writer.finish { _ in [("format", "pt")] }
        try output.commit([file])
    }

    private static func info(_ name: String, _ type: ScalarType, _ dimensions: [Int]) throws -> TensorInfo {
        let shape = try #require(Shape(dimensions))
        return try #require(TensorInfo(name: name, scalarType: type, shape: shape))
    }

    private static func makeBase(in folder: TemporaryFolder) throws -> TensorInfo {
        let weight = try info("w.weight", .bf16, [2, 4])
        try write([(weight, bf16((1...8).map(Float.init)))], to: "base.safetensors", in: folder)
        return weight
    }

    /// Merged by the code, for the document's text when it changes.
    private static func merged(in folder: TemporaryFolder) throws -> [UInt8] {
        func floats(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
        let prefix = "base_model.model.w."
        try write(
            [
                (try info("\(prefix)lora_A.weight", .f32, [1, 4]), floats([0, 0.0625, 0.25, 3])),
                (try info("\(prefix)lora_B.weight", .f32, [2, 1]), floats([1, 2])),
            ], to: "adapter_model.safetensors", in: folder)
        try folder.write(Array("{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 0.5}".utf8), to: "adapter_config.json")
        let base = try Checkpoint.open(folder.path("base.safetensors"))
        let adapter = try Adapter.open(folder.path("adapter_model.safetensors"))
        let plan = try MergePlan(base: base, adapters: [WeightedAdapter(adapter)], form: .sameFiles)
        let path = folder.path("merged.safetensors")
        _ = try Merge(plan, resources: Resources(threadCount: 1), toolVersion: "0.1.0", options: [])
            .run(path: path, isFolder: false, replaces: false)
        let file = try SafetensorsFile(path: path)
        let index = try #require(file.tensors.firstIndex { $0.name == "qnf.undo/1" })
        return try file.bytes(ofTensor: index, 0..<file.tensors[index].byteCount)
    }

    private static func directoryText(_ record: [UInt8]) throws -> String {
        let start = record[(record.count - 24)...].prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let text = try #require(ZlibStream.decompress(Array(record[start..<record.count - 32]), limit: 1 << 20))
        return try JSONValue(parsing: text).text(.indented)
    }

    @Test func exampleSaysWhatAMergeWrites() throws {
        let folder = try TemporaryFolder()
        _ = try Self.makeBase(in: folder)
        let written = try Self.merged(in: folder)
        let documented = try HexDump.example(inDocument: "qnf.md", label: "undo")
        let text = try Self.directoryText(written)
        #expect(try Fixture.document("qnf.md").contains("```json\n\(text)\n```"), "formats/qnf.md should say:\n\(text)")
        // Another zlib may compress otherwise; what it says must be the same.
        #expect(
            try documented.count > 32 && Self.directoryText(documented) == text, "formats/qnf.md should say:\n\(HexDump.text(written))")
    }

    @Test func exampleLeadsBackToItsBase() throws {
        let folder = try TemporaryFolder()
        let weight = try Self.makeBase(in: folder)
        let record = try HexDump.example(inDocument: "qnf.md", label: "undo")
        // (0, 0.0625, 0.25, 3) / 2 is added to the first row, twice that to the second; bfloat16 has 8 bits.
        let sums = Self.bf16([1, 2.03125, 3.125, 5.5, 5, 6.0625, 7.25, 11])
        try Self.write([(weight, sums), (try Self.info("qnf.undo/1", .u8, [record.count]), record)], to: "merged.safetensors", in: folder)
        let path = folder.path("again.safetensors")
        try Unmerge(Checkpoint.open(folder.path("merged.safetensors")), all: false)
            .run(path: path, replaces: false, resources: Resources(threadCount: 1))
        let again = try InputFile(path: path).allBytes(limit: 1 << 20)
        #expect(try again == InputFile(path: folder.path("base.safetensors")).allBytes(limit: 1 << 20))
    }
}
