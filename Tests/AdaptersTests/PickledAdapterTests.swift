import Adapters
import ByteIO
import TestSupport
import Testing

/// Adapters as PEFT wrote them until version 0.6.
@Suite struct PickledAdapterTests {
    @Test func isTheAdapterInSafetensors() throws {
        let opened = try Adapter.open(Fixture.path("pickle/adapter")), expected = try Adapter.open(Fixture.adapter("llama-plain"))
        #expect(opened.form == .peft)
        #expect(opened.modules.map(\.name) == expected.modules.map(\.name) && !opened.modules.isEmpty)
        for (module, other) in zip(opened.modules, expected.modules) {
            let update = try #require(module.update), otherUpdate = try #require(other.update)
            #expect(try opened.values(of: update.a) == expected.values(of: otherUpdate.a))
            #expect(try opened.values(of: update.b) == expected.values(of: otherUpdate.b))
        }
        #expect(try Adapter.open(Fixture.path("pickle/adapter/adapter_model.bin")).modules.count == expected.modules.count)
    }

    /// What training programs leave that gather no weights.
    @Test(arguments: [
        ("adapter-empty.bin", "is a pickled dict without tensors"), ("adapter-zero3.bin", "has 2 tensors, all of them empty"),
    ])
    func emptyOnesAreRefused(_ file: (name: String, message: String)) throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.path("pickle/adapter/adapter_config.json"))
        try folder.write(Fixture.bytes(Fixture.path("pickle/\(file.name)")), to: "adapter_model.bin")
        let error = #expect(throws: FileError.self) { try Adapter.open(folder.path) }
        #expect(error?.message == file.message)
    }

    @Test func withoutItsConfigurationNothingIsKnownOfIt() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.path("pickle/adapter/adapter_model.bin"))
        let error = #expect(throws: FileError.self) { try Adapter.open(folder.path("adapter_model.bin")) }
        #expect(error?.message == "has the tensors of an adapter, but no adapter_config.json lies beside it")
    }
}
