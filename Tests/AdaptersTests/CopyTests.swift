import ByteIO
import ContainerKit
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Adapters

@Suite struct CopyTests {
    @Test(arguments: FixtureTests.names) func roundTripGivesTheSameBytes(_ name: String) throws {
        let folder = try TemporaryFolder()
        let original = try Adapter.open(Fixture.adapter(name))
        try original.copy(to: folder.path("a.lora"), as: .lora, replaces: false, tool: "test 1")
        try Adapter.open(folder.path("a.lora")).copy(to: folder.path("peft"), as: .peft, replaces: false, tool: "other 2")
        let back = try Adapter.open(folder.path("peft"))
        try back.copy(to: folder.path("b.lora"), as: .lora, replaces: false, tool: "third 3")
        #expect(try folder.bytes("a.lora") == folder.bytes("b.lora"))
        #expect(
            try folder.text("peft/adapter_config.json")
                == String(decoding: Self.bytes(Fixture.adapter(name) + "/adapter_config.json"), as: UTF8.self))
        #expect(back.tool == "test 1" && back.form == .peft)
        #expect(
            try storedTensors(at: folder.path("a.lora")) == storedTensors(at: Fixture.adapter(name) + "/adapter_model.safetensors"))
    }

    private static func bytes(_ path: String) throws -> [UInt8] { try InputFile(path: path).allBytes(limit: 1 << 20) }

    @Test func keepsTheFingerprintOfTheBase() throws {
        let folder = try TemporaryFolder()
        let configuration = try AdapterConfiguration(rank: 2, alpha: 4, targetModules: ["q_proj"])
        let fingerprint = "sha256:" + String(repeating: "5a", count: 32)
        let tensors = AdapterFolder.factors("q_proj").map { StoredTensor(AdapterFolder.prefix + $0.name, .f16, $0.dimensions, $0.bytes) }
        let infos = try tensors.map { try tensorInfo($0.name, .f16, $0.dimensions) }
        let plan = AdapterPlan(configuration: configuration, tensors: infos, baseFingerprint: fingerprint, tool: "qtrain 9")
        for (form, name) in [(Adapter.Form.lora, "a.lora"), (.peft, "a")] {
            let output = try AtomicOutput(destination: folder.path(name), isFolder: form == .peft, replaces: false)
            let writer = try AdapterWriter(form, of: plan, to: output)
            for index in plan.tensors.indices {
                try writer.write([Float](repeating: 0.1, count: plan.tensors[index].elementCount), tensor: index)
            }
            try output.commit(writer.finish())
            let adapter = try Adapter.open(folder.path(name))
            #expect(adapter.baseFingerprint == fingerprint && adapter.tool == "qtrain 9" && adapter.form == form)
            let update = try #require(adapter.modules.first?.update)
            #expect(try adapter.values(of: update.a) == [Float](repeating: Float(Float16(0.1)), count: 6))
        }
        try Adapter.open(folder.path("a")).copy(to: folder.path("b.lora"), as: .lora, replaces: false, tool: "x")
        #expect(try folder.bytes("a.lora") == folder.bytes("b.lora"))
    }

    /// Texts of training records go along, whatever is in them.
    @Test func keepsTheSample() throws {
        let folder = try TemporaryFolder(), texts = ["<s> a \"b\"\n\u{1F600}", "", "\u{0}\\"]
        let tensors = AdapterFolder.factors("q_proj").map { StoredTensor(AdapterFolder.prefix + $0.name, .f16, $0.dimensions, $0.bytes) }
        let plan = AdapterPlan(
            configuration: try AdapterConfiguration(rank: 2, alpha: 4, targetModules: ["q_proj"]),
            tensors: try tensors.map { try tensorInfo($0.name, .f16, $0.dimensions) }, baseFingerprint: nil, tool: "t", sample: texts)
        let output = try AtomicOutput(destination: folder.path("a.lora"), replaces: false)
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        for index in plan.tensors.indices {
            try writer.write([Float](repeating: 0.1, count: plan.tensors[index].elementCount), tensor: index)
        }
        try output.commit(writer.finish())
        #expect(try Adapter.open(folder.path("a.lora")).sample == texts)
        try Adapter.open(folder.path("a.lora")).copy(to: folder.path("peft"), as: .peft, replaces: false, tool: "x")
        let back = try Adapter.open(folder.path("peft"))
        #expect(back.sample == texts)
        try back.copy(to: folder.path("b.lora"), as: .lora, replaces: false, tool: "x")
        #expect(try folder.bytes("a.lora") == folder.bytes("b.lora"))
    }

    @Test func metadataStandsInItsOrder() throws {
        let folder = try TemporaryFolder()
        try Adapter.open(Fixture.adapter("llama-dora")).copy(to: folder.path("a.lora"), as: .lora, replaces: false, tool: "test 1")
        let header = try SafetensorsFile(path: folder.path("a.lora")).header
        #expect(header.metadata.map(\.key) == ["format", "lora.version", "lora.header_crc32c", "lora.tool", "lora.config", "lora.crc32c"])
        #expect(header.metadata[0].value == "pt")
    }

    @Test func refusesToWriteWhatCannotBeRead() throws {
        let folder = try TemporaryFolder()
        let info = try tensorInfo(AdapterPlan.name(of: "q", .a), .f16, [1, 2])
        let plan = AdapterPlan(
            configuration: try AdapterConfiguration(rank: 1, alpha: 1, targetModules: ["q"]), tensors: [info], baseFingerprint: nil,
            tool: "t")
        let output = try AtomicOutput(destination: folder.path("a.lora"), replaces: false)
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        #expect(
            throws: FileError(
                folder.path("a.lora"), at: "tensor 'base_model.model.q.lora_A.weight'",
                "element 1 would be 100000.0, which F16 cannot hold as a finite number")
        ) { try writer.write([1, 100_000], tensor: 0) }
    }

    @Test func noticesAFlippedBit() throws {
        let folder = try TemporaryFolder()
        try Adapter.open(Fixture.adapter("llama-plain")).copy(to: folder.path("a.lora"), as: .lora, replaces: false, tool: "test 1")
        var bytes = try folder.bytes("a.lora")
        bytes[bytes.count - 2] ^= 1
        try folder.write(bytes, to: "a.lora")
        let adapter = try Adapter.open(folder.path("a.lora"))
        let last = AdapterTensor(index: adapter.tensors.count - 1, info: adapter.tensors[adapter.tensors.count - 1])
        let damaged = try #require(try storedTensors(at: folder.path("a.lora"))[last.info.name])
        let expected = CRC32C(of: damaged.bytes)
        let error = #expect(throws: FileError.self) { try adapter.values(of: last) }
        #expect(
            error?.place == "tensor '\(last.info.name)'"
                && error?.message.hasPrefix("its checksum is \(expected), but the file says ") == true)
        #expect(throws: FileError.self) { try adapter.copy(to: folder.path("b"), as: .peft, replaces: false, tool: "t") }
        #expect(try folder.names() == ["a.lora"])
    }

    /// A scaling that is not what was trained would go unnoticed otherwise.
    @Test func noticesAChangedConfiguration() throws {
        let folder = try TemporaryFolder()
        try Adapter.open(Fixture.adapter("llama-plain")).copy(to: folder.path("a.lora"), as: .lora, replaces: false, tool: "test 1")
        var bytes = try folder.bytes("a.lora")
        let alpha = Array("\\\"lora_alpha\\\":16".utf8)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: alpha) })
        bytes[start + alpha.count - 1] = UInt8(ascii: "7")
        try folder.write(bytes, to: "a.lora")
        let error = #expect(throws: FileError.self) { try Adapter.open(folder.path("a.lora")) }
        #expect(error?.place == "header" && error?.message.hasPrefix("its checksum is ") == true)
    }
}
