import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qinspect

/// What `qinspect metadata` shows of a GGUF file.
@Suite struct GGUFMetadataTests {
    @Test func showsKeysWithTheirTypes() throws {
        let folder = try TemporaryFolder()
        var image = GGUFImage()
        image.add("general.architecture", "test")
        image.add("general.name", "Ünïcode ✓\u{1b}[2J")
        image.add("test.epsilon", type: 6, image.bytes(of: Float(1e-5).bitPattern))
        image.add("test.template", String(repeating: "long ", count: 100))
        image.add("test.tokens", type: 9, image.array(of: 8, (0..<1000).map { image.string("t\($0) ") }))
        image.add("test.few", type: 9, image.array(of: 2, [1, 2].map { image.bytes(of: UInt16($0)) }))
        let path = try folder.write(image.bytes, to: "m.gguf")
        let run = ToolRunner(qinspect, ["metadata", path])
        #expect(
            run.output == """
                \(path): GGUF
                  m.gguf, 13,664 bytes

                version 3, little-endian, alignment 32, 6 keys

                key                   type          value
                general.architecture  string        test
                general.name          string        Ünïcode ✓\\u{1b}[2J
                test.epsilon          f32           1e-05
                test.template         string        long long long long long long long long long long long long long long lo...
                test.tokens           string[1000]  ["t0 ", "t1 ", "t2 ", "t3 ", "t4 ", "t5 ", "t6 ", "t7 ", "t8 ", "t9 ", "...
                test.few              u16[2]        [1, 2]

                """, "\(run.output)")
        #expect(run.status == .done && run.errors.contains("is of architecture 'test', which is not known"))
    }

    @Test func theDocumentIsWhole() throws {
        let run = ToolRunner(qinspect, ["metadata", Fixture.path("gguf/container/all-kv-types.gguf"), "--json"])
        let document = try #require(try run.document()["gguf"])
        #expect(
            document["version"]?.integer == 3 && document["byte_order"]?.string == "little-endian" && document["alignment"]?.integer == 32)
        let keys = try #require(document["keys"]?.array)
        func key(_ name: String) -> JSONValue? { keys.first { $0["key"]?.string == name } }
        #expect(keys.count == 28 && key("one.u64")?["value"] == .number(JSONNumber(UInt64.max)))
        #expect(key("one.f32")?["value"] == .double(0.1) && key("one.f32")?["type"]?.string == "f32")
        let strings = key("many.str")
        #expect(strings?["type"]?.string == "array" && strings?["items"]?.string == "string" && strings?["count"]?.integer == 5)
        #expect(strings?["value"] == .strings(["a", "", "zwei", "三", "with\0nul"]))
        let nested = try ToolRunner(qinspect, ["metadata", Fixture.path("gguf/container/nested-array.gguf"), "--json"]).document()
        #expect(nested["gguf"]?["keys"]?.array?.last?["value"]?.text(.compact) == "[[1,2],[3]]")
        let other = try ToolRunner(qinspect, ["metadata", Fixture.path("safetensors/types.safetensors"), "--json"]).document()
        #expect(other["gguf"] == .some(.null))
    }
}
