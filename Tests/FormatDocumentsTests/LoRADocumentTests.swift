import Adapters
import ByteIO
import JSONText
import TensorCore
import TestSupport
import Testing

/// The example of `formats/lora.md` is a real adapter: it opens, means what the document says, and is what we write today.
@Suite struct LoRADocumentTests {
    private static let name = "lora.md"

    @Test func exampleIsWhatWeWrite() throws {
        let folder = try TemporaryFolder()
        let configuration = try AdapterConfiguration(
            try JSONValue(parsing: Array("{\"lora_alpha\": 2, \"peft_type\": \"LORA\", \"r\": 1}".utf8)), path: "configuration")
        let (rowA, columnB) = (try #require(Shape([1, 3])), try #require(Shape([2, 1])))
        let a = try #require(TensorInfo(name: AdapterPlan.name(of: "proj", .a), scalarType: .f32, shape: rowA))
        let b = try #require(TensorInfo(name: AdapterPlan.name(of: "proj", .b), scalarType: .f32, shape: columnB))
        let plan = AdapterPlan(
            configuration: configuration, tensors: [b, a], baseFingerprint: "sha256:" + String(repeating: "5a", count: 32),
            tool: "qconvert 0.1.0")
        let path = folder.path("example.lora")
        let output = try AtomicOutput(destination: path, replaces: false)
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        try writer.write([1, 2, 3], tensor: 0)
        try writer.write([0.5, -0.5], tensor: 1)
        try output.commit(writer.finish())
        let written = try InputFile(path: path).allBytes(limit: 1 << 16)
        let documented = try HexDump.example(inDocument: Self.name)
        #expect(written == documented, "formats/lora.md should say:\n\(HexDump.text(written))")
    }

    @Test func exampleHoldsWhatTheDocumentSays() throws {
        let folder = try TemporaryFolder()
        try folder.write(try HexDump.example(inDocument: Self.name), to: "example.lora")
        let adapter = try Adapter.open(folder.path("example.lora"))
        #expect(adapter.form == .lora && adapter.modules.count == 1 && adapter.modules[0].name == "proj")
        #expect(adapter.baseFingerprint == "sha256:" + String(repeating: "5a", count: 32))
        let update = try #require(adapter.modules[0].update)
        #expect(update.rank == 1 && update.scaling == 2)
        let a = try adapter.values(of: update.a), b = try adapter.values(of: update.b)
        #expect(b.flatMap { row in a.map { Float(update.scaling) * row * $0 } } == [1, 2, 3, -1, -2, -3])
    }

    /// Every field of PEFT's configuration is named in the document.
    @Test func documentNamesEveryField() throws {
        let text = try Fixture.document(Self.name)
        let fields = try AdapterConfiguration(rank: 1, alpha: 1, targetModules: []).document.members.map(\.key)
        #expect(fields.filter { !text.contains("`\($0)`") } == [])
    }
}
