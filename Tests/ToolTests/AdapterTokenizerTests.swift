import ByteIO
import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qmerge

/// Tokenizer and chat template that lie in the folder of an adapter.
@Suite struct AdapterTokenizerTests {
    private static let base = Fixture.sample("llama-hf")
    private static let adapter = Fixture.sample("adapters/llama-instructions")

    /// The sample's adapter with the tokenizer of its base, one file of it changed.
    private static func makeAdapter(
        _ names: [String] = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"], replacing text: String = "",
        with other: String = "", in changed: String = ""
    ) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let sources = ["adapter_config.json", "adapter_model.safetensors"].map { "\(adapter)/\($0)" } + names.map { "\(base)/\($0)" }
        for source in sources {
            let copy = try AtomicOutput(destination: folder.path(FilePath.name(of: source)), replaces: false)
            let file = try copy.file()
            try file.write(try Fixture.bytes(source), atOffset: 0)
            try copy.commit([file])
        }
        if !changed.isEmpty { try Fixture.replace(text, with: other, in: folder.path(changed)) }
        return folder
    }

    private static func merge(_ adapter: String, _ options: String...) -> ToolRunner {
        ToolRunner(qmerge, [base, adapter, "-o", "/nowhere/merged", "--dry-run"] + options)
    }

    @Test func whatIsTheBasesOwnIsNotMentioned() throws {
        #expect(!Self.merge(Self.adapter).errors.contains("tokenizer"))
        #expect(!Self.merge(try Self.makeAdapter().path).errors.contains("tokenizer"))
        // Trainers leave their padding behind; it says nothing about tokens.
        let padded = try Self.makeAdapter(replacing: "\"padding\": null", with: "\"padding\": {\"pad_id\": 1}", in: "tokenizer.json")
        #expect(!Self.merge(padded.path).errors.contains("tokenizer"))
    }

    @Test func anotherTemplateIsSaid() throws {
        let other = try Self.makeAdapter(replacing: "Instruction", with: "Task", in: "chat_template.jinja")
        let run = Self.merge(other.path)
        #expect(
            run.status == .done
                && run.errors.contains(
                    "\(other.path) brings a tokenizer of its own, which differs from the base's (its chat template) and is not used\n"
                        + "hint: --tokenizer adapter takes it")
        )
        for choice in ["adapter", "base"] { #expect(!Self.merge(other.path, "--tokenizer", choice).errors.contains("of its own")) }
    }

    /// Named templates count, too; those of a base make room for an adapter's own template.
    @Test func namedTemplatesAreTold() throws {
        let other = try Self.makeAdapter()
        try other.makeFolder("additional_chat_templates")
        try other.write("tools", to: "additional_chat_templates/tool_use.jinja")
        #expect(Self.merge(other.path).errors.contains("differs from the base's (it has a chat template 'tool_use') and is not used"))
        let base = try TemporaryFolder()
        for name in try FilePath.entries(of: Self.base) { try base.copy("\(Self.base)/\(name)") }
        try base.makeFolder("additional_chat_templates")
        try base.write("old", to: "additional_chat_templates/tool_use.jinja")
        try base.write("old", to: "additional_chat_templates/rag.jinja")
        let template = try Self.makeAdapter(["chat_template.jinja"], replacing: "Instruction", with: "Task", in: "chat_template.jinja")
        let output = base.path("merged")
        let run = ToolRunner(qmerge, [base.path, template.path, "-o", output, "--tokenizer", "adapter"])
        #expect(run.status == .done, "\(run.errors)")
        #expect(FilePath.kind(of: "\(output)/additional_chat_templates") == .missing)
        #expect(FilePath.kind(of: "\(output)/chat_template.jinja") == .file)
    }

    @Test func aTokenizerIsAskedForInVain() {
        let run = Self.merge(Self.adapter, "--tokenizer", "adapter")
        #expect(run.status == .failed && run.errors.contains("--tokenizer adapter: no adapter that is named brings a tokenizer"))
    }

    @Test func theMergedModelHasTheChosenOne() throws {
        let other = try Self.makeAdapter(replacing: "Instruction", with: "Task", in: "chat_template.jinja"), folder = try TemporaryFolder()
        let (merged, again) = (folder.path("merged"), folder.path("again"))
        let run = ToolRunner(qmerge, [Self.base, other.path, "--tokenizer", "adapter", "-o", merged])
        #expect(run.status == .done)
        #expect(try Fixture.bytes("\(merged)/chat_template.jinja") == Fixture.bytes(other.path("chat_template.jinja")))
        #expect(try Fixture.bytes("\(merged)/config.json") == Fixture.bytes("\(Self.base)/config.json"))
        #expect(ToolRunner(qmerge, ["--unmerge", merged, "-o", again]).status == .done)
        #expect(try Fixture.bytes("\(again)/chat_template.jinja") == Fixture.bytes("\(Self.base)/chat_template.jinja"))
    }
}
