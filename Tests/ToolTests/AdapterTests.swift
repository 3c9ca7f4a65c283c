import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect

/// `qconvert to-peft`, `to-lora`, `qinspect adapter`, and the other commands on adapters.
@Suite struct AdapterTests {
    private static let sample = Fixture.sample("adapters/llama-instructions")

    @Test func showsAnAdapter() {
        let run = ToolRunner(qinspect, ["adapter", Self.sample])
        #expect(run.status == .done && run.errors.isEmpty)
        let lines = run.output.split(separator: "\n").map(String.init)
        #expect(
            Array(lines.prefix(8)) == [
                "\(Self.sample): LoRA adapter, PEFT folder", "  trained on      llama-bnb4",
                "  target modules  down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj",
                "  rank            4, lora_alpha 8, scaling 2",
                "module              weight      rank  scaling    |A|     |B|  |delta|  trained",
                "model.layers.0                                                 6.975     9,728",
                "  mlp.down_proj     [128, 384]     4        2  2.203  1.061    2.779     2,048",
                "  mlp.gate_proj     [384, 128]     4        2  1.679  2.119    3.726     2,048",
            ])
        #expect(lines.last == "28 changes                                                    16.79     38,912")
    }

    @Test func showsAnAdapterAsJSON() throws {
        let document = try ToolRunner(qinspect, ["adapter", Self.sample, "--json"]).document()
        #expect(document["schema"]?.integer == 1 && document["trained"]?.integer == 38912 && document["base"]?.string == "llama-bnb4")
        let module = try #require(document["modules"]?.array?.first)
        #expect(module["name"]?.string == "model.layers.0.mlp.down_proj" && module["rank"]?.integer == 4)
        #expect(try #require(module["norm_delta"]?.double) > 2.77)
        #expect(document["config"]?["lora_alpha"]?.integer == 8)
    }

    @Test func convertsThereAndBack() throws {
        let folder = try TemporaryFolder()
        let (lora, peft, again) = (folder.path("a.lora"), folder.path("a"), folder.path("b.lora"))
        let first = ToolRunner(qconvert, ["to-lora", Self.sample, "-o", lora])
        #expect(first.status == .done && first.output.hasPrefix("\(lora): .lora file, 56 tensors, 38,912 trained parameters, "))
        let document = try ToolRunner(qconvert, ["to-peft", lora, "-o", peft, "--json"]).document()
        #expect(document["form"]?.string == "PEFT folder" && document["tensors"]?.integer == 56)
        #expect(ToolRunner(qconvert, ["to-lora", peft, "-o", again]).status == .done)
        #expect(try Fixture.bytes(lora) == Fixture.bytes(again))
        let existing = ToolRunner(qconvert, ["to-peft", lora, "-o", peft])
        #expect(existing.status == .failed && existing.errors.contains("exists already"))
        #expect(ToolRunner(qconvert, ["to-peft", lora, "-o", peft, "--force"]).status == .done)
        let ownInput = ToolRunner(qconvert, ["to-lora", lora, "-o", lora, "--force"])
        #expect(ownInput.status == .failed && ownInput.errors.contains("is also an input"))
    }

    @Test func comparesAdapters() throws {
        let folder = try TemporaryFolder()
        let lora = folder.path("a.lora")
        #expect(ToolRunner(qconvert, ["to-lora", Self.sample, "-o", lora]).status == .done)
        let equal = ToolRunner(qinspect, ["diff", Self.sample, lora])
        #expect(equal.status == .done && equal.output.hasSuffix("\nEQUAL: 56 tensors, every bit\n"))
        #expect(ToolRunner(qconvert, ["to-peft", lora, "-o", folder.path("b")]).status == .done)
        try Fixture.replace("\"lora_alpha\": 8", with: "\"lora_alpha\": 16", in: folder.path("b/adapter_config.json"))
        let other = ToolRunner(qinspect, ["diff", Self.sample, folder.path("b")])
        #expect(other.status == .no && other.output.contains("\nlora_alpha: 8 in A, 16 in B\n"))
        #expect(other.output.hasSuffix("\nDIFFERENT: of 56 tensors, 1 in configuration; 56 identical\n"))
        let model = ToolRunner(qinspect, ["diff", Self.sample, Fixture.sample("llama-hf")])
        #expect(model.status == .failed && model.errors.contains("is an adapter, but"))
    }

    @Test func listsAndChecksTensorsOfAdapters() throws {
        let folder = try TemporaryFolder()
        let lora = folder.path("a.lora")
        #expect(ToolRunner(qconvert, ["to-lora", Self.sample, "-o", lora]).status == .done)
        let layers = ToolRunner(qinspect, ["layers", lora, "--match", "layers\\.0\\.mlp\\.down"])
        #expect(layers.output.contains("\n  mlp.down_proj.lora_A.weight ") && layers.output.contains("[4, 384]"))
        let check = ToolRunner(qinspect, ["check", lora])
        #expect(check.status == .done && check.output == "\(lora): LoRA adapter, sound; 56 tensors, 156 kB; every checksum is right\n")
        try Fixture.damage(lora)
        #expect(ToolRunner(qinspect, ["check", lora]).status == .no)
    }

    @Test func anAdapterIsNoModel() throws {
        let folder = try TemporaryFolder()
        let lora = folder.path("a.lora")
        #expect(ToolRunner(qconvert, ["to-lora", Self.sample, "-o", lora]).status == .done)
        for path in [Self.sample, lora] {
            let run = ToolRunner(qconvert, ["to-nf4", path, "-o", folder.path("x.qnf")])
            #expect(run.status == .failed)
            #expect(
                run.errors == "qconvert: error: \(path): is an adapter, not a model\n"
                    + "hint: name its base model here; 'qinspect adapter' shows the adapter, 'qmerge' merges the two\n")
        }
    }
}
