import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qmerge
@testable import qtrain
@testable import qverify

/// The commands on adapters in GGUF files.
@Suite struct GGUFAdapterCommandTests {
    private static let adapter = Fixture.path("gguf/lora/llama-all/adapter.gguf")
    private static let peft = Fixture.path("gguf/lora/llama-all/peft")
    private static let base = Fixture.path("gguf/models/llama/model.gguf")

    @Test func showsOne() throws {
        let run = ToolRunner(qinspect, ["adapter", Self.adapter])
        #expect(run.status == .done && run.errors.isEmpty && run.output.hasPrefix("\(Self.adapter): LoRA adapter, GGUF file\n"))
        // Sizes do not depend on the order of rows.
        let norms = try [Self.adapter, Self.peft].map { path in
            try ToolRunner(qinspect, ["adapter", path, "--json"]).document()["delta_norm"]?.double
        }
        #expect(norms[0] != nil && norms[0] == norms[1])
    }

    @Test func becomesAnotherFormWithItsBase() throws {
        let folder = try TemporaryFolder()
        let alone = ToolRunner(qconvert, ["to-peft", Self.adapter, "-o", folder.path("a")])
        #expect(alone.status == .failed && alone.errors.contains("only the base says how wide a head is"))
        #expect(alone.errors.contains("hint: 'qconvert to-lora --base BASE' makes an adapter of it"))
        #expect(try folder.names() == [])
        #expect(ToolRunner(qconvert, ["to-peft", Self.adapter, "-o", folder.path("a"), "--base", Self.base]).status == .done)
        let equal = ToolRunner(qinspect, ["diff", folder.path("a"), Self.peft])
        #expect(equal.status == .done && equal.output.hasSuffix("\nEQUAL: 28 tensors, every bit\n"))
        let qwen = ToolRunner(qconvert, ["to-lora", Fixture.path("gguf/lora/qwen2-all/adapter.gguf"), "-o", folder.path("q.lora")])
        #expect(qwen.status == .done)
    }

    @Test func looksAtTensorsAsTheyLie() {
        let run = ToolRunner(qinspect, ["layers", Self.adapter])
        #expect(run.status == .done && run.output.contains("q_proj.lora_B.weight"))
        #expect(run.errors.contains("rows of queries and keys are shown in the order of the file, in pairs"))
        #expect(ToolRunner(qinspect, ["check", Self.adapter]).status == .done)
        let model = ToolRunner(qinspect, ["metadata", Self.adapter])
        #expect(model.status == .failed && model.errors.contains("is an adapter, not a model"))
    }

    @Test func combinesOnlyRowsInOrder() throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(qmerge, ["--combine", "cat", Self.adapter, Self.peft, "-o", folder.path("c.lora")])
        #expect(run.status == .failed && run.errors.contains("'qconvert to-lora --base BASE'"))
        let merged = ToolRunner(qmerge, [Self.base, Self.adapter, "--to", "f32", "-o", folder.path("a.safetensors")])
        let other = ToolRunner(qmerge, [Self.base, Self.peft, "--to", "f32", "-o", folder.path("b.safetensors")])
        #expect(merged.status == .done && other.status == .done, "\(merged.errors) \(other.errors)")
        #expect(ToolRunner(qinspect, ["diff", folder.path("a.safetensors"), folder.path("b.safetensors")]).status == .done)
    }

    @Test func isMergedIntoFourBits() throws {
        let folder = try TemporaryFolder()
        let base = folder.path("b.qnf"), merged = folder.path("m.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Self.base, "-o", base]).status == .done)
        #expect(ToolRunner(qmerge, [base, Self.adapter, "-o", merged]).status == .done)
        // By the values that PEFT has: the record of the merge, too, is the same.
        for adapter in [Self.adapter, Self.peft] { #expect(ToolRunner(qverify, ["merge", base, adapter, merged]).status == .done) }
    }

    @Test func isTrainedFurther() throws {
        let folder = try TemporaryFolder()
        try folder.write(String(repeating: "some text to learn from, again and again\n", count: 6), to: "d.txt")
        func train(_ adapter: String, _ base: String, to name: String) -> ToolRunner {
            let options = ["--rank", "4", "--alpha", "8", "--steps", "1", "--max-length", "8", "--split", "1,0,0", "--template", "none"]
            return ToolRunner(
                qtrain, [base, "-o", folder.path(name), "--data", folder.path("d.txt"), "--init-from", adapter] + options)
        }
        let runs = [train(Self.adapter, Self.base, to: "a.lora"), train(Self.peft, Self.base, to: "b.lora")]
        #expect(runs.allSatisfy { $0.status == .done }, "\(runs[0].errors)")
        #expect(ToolRunner(qinspect, ["diff", folder.path("a.lora"), folder.path("b.lora")]).status == .done)
        let other = train(Self.adapter, Fixture.path("gguf/models/qwen2/model.gguf"), to: "c.lora")
        #expect(other.status == .failed && other.errors.contains("is for a base of the architecture 'llama', but the base is a qwen2"))
    }

    @Test func writesOne() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("a.gguf")
        let run = ToolRunner(qconvert, ["to-gguf-lora", Self.peft, Self.base, "-o", path])
        #expect(run.status == .done && run.output == "\(path): GGUF adapter, 14 modules, 25.2 kB\n", "\(run.output)\(run.errors)")
        #expect(ToolRunner(qconvert, ["to-gguf-lora", Self.peft, Self.base, "-o", path]).errors.contains("exists already"))
        let again = ToolRunner(qconvert, ["to-gguf-lora", path, Self.base, "-o", folder.path("b.gguf"), "--json"])
        let document = try again.document()
        #expect(document["modules"]?.integer == 14 && document["name"]?.string == "a" && document["form"]?.string == "GGUF file")
        let ownInput = ToolRunner(qconvert, ["to-gguf-lora", path, Self.base, "-o", path, "--force"])
        #expect(ownInput.status == .failed && ownInput.errors.contains("is also an input"))
        let misfit = ToolRunner(
            qconvert, ["to-gguf-lora", Self.peft, Fixture.path("gguf/models/gpt2/model.gguf"), "-o", folder.path("c.gguf")])
        #expect(misfit.status == .failed && misfit.errors.contains("is of another family than"))
    }
}
