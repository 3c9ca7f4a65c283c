import ByteIO
import CommandLineKit
import Glibc
import JSONText
import TestSupport
import Testing

@testable import qinspect
@testable import qrun
@testable import qtrain

/// How prompts are written: by which template, with what, and how that can be seen.
@Suite struct TemplateTests {
    private static let model = Fixture.sample("llama-hf")

    private static func write(_ text: String, to path: String) throws {
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        try file.write(Array(text.utf8), atOffset: 0)
        try output.commit([file])
    }

    private static func prompt(_ options: String...) -> ToolRunner {
        ToolRunner(qrun, [model, "--prompt", "Hi", "--print-prompt"] + options)
    }

    @Test func printsThePromptAndNothingElse() throws {
        #expect(Self.prompt().output == "### Instruction:\nHi\n\n### Response:\n")
        #expect(Self.prompt("--system", "Be brief.").output == "Be brief.\n\n### Instruction:\nHi\n\n### Response:\n")
        // Ids in front of every text are shown, too.
        #expect(Self.prompt("--template", "none").output.hasSuffix("Hi"))
        let document = try Self.prompt("--json").document()
        #expect(document["prompt"]?.string == "### Instruction:\nHi\n\n### Response:\n")
        let generated = try ToolRunner(qrun, [Self.model, "--prompt", "Hi", "--max-tokens", "1", "--json"]).document()
        #expect(document["prompt_ids"] == generated["prompt_ids"])
        #expect(ToolRunner(qrun, [Self.model, "--prompt-ids", "1,2", "--print-prompt"]).status == .done)
    }

    @Test func takesATemplateFromAFile() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("mine.jinja")
        try Self.write(
            "{{ eos_token }}{{ greeting }} {{ strftime_now('%d.%m.%Y') }} {{ tools is none }} {{ messages[0].content }}", to: path)
        let run = Self.prompt("--template", path, "--template-option", "greeting=\"é\"", "--date", "2024-07-26")
        #expect(run.output == "<|endoftext|>é 26.07.2024 True Hi" && run.errors.isEmpty, "\(run.errors)")
        let other = Self.prompt("--template", path, "--template-option", "salute=1")
        #expect(other.errors.contains("the template \(path) asks for no 'salute'\nhint: it asks for "))
        try Self.write("{% if %}", to: path)
        #expect(Self.prompt("--template", path).errors.contains("the template \(path) cannot be read: line 1, column "))
        try Self.write("{{ raise_exception('roles must alternate') }}", to: path)
        #expect(Self.prompt("--template", path).errors.contains("error: the template \(path) says: roles must alternate\n"))
    }

    @Test(arguments: [
        (["--template", "vicuna"], "--template 'vicuna' is unknown\nhint: known are alpaca, chatml,"),
        (["--template-option", "a"], "--template-option 'a' is not NAME=JSON"),
        (["--template-option", "a=b"], "--template-option a: 'b' is no JSON\nhint: a text stands in double quotes: 'a=\"b\"'"),
        (["--date", "2024-13-01"], "--date '2024-13-01' is no day"),
        (["--tools", "/nowhere/tools.json"], "/nowhere/tools.json: cannot be opened"),
    ])
    func refuses(_ options: [String], _ message: String) {
        let run = ToolRunner(qrun, [Self.model, "--prompt", "Hi", "--print-prompt"] + options)
        #expect(run.status != .done && run.errors.contains(message), "\(run.errors)")
    }

    /// Templates of the model, by their names; `tool_use` where there are tools.
    @Test func takesNamedTemplatesOfTheModel() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model")
        #expect(mkdir(model, 0o700) == 0)
        for name in try FilePath.entries(of: Self.model) where !["tokenizer_config.json", "chat_template.jinja"].contains(name) {
            try #require(symlink(FilePath.join(Self.model, name), FilePath.join(model, name)) == 0)
        }
        let templates = ["default", "tool_use", "short"].map { "{\"name\": \"\($0)\", \"template\": \"\($0): {{ tools | tojson }}\"}" }
        let configuration = "{\"eos_token\": \"<|endoftext|>\", \"chat_template\": [\(templates.joined(separator: ", "))]}"
        try Self.write(configuration, to: FilePath.join(model, "tokenizer_config.json"))
        let tools = folder.path("tools.json")
        try Self.write(#"[{"name": "f"}]"#, to: tools)
        func prompt(_ options: [String]) -> String { ToolRunner(qrun, [model, "--prompt", "Hi", "--print-prompt"] + options).output }
        #expect(prompt([]) == "default: null")
        #expect(prompt(["--template", "short"]) == "short: null")
        #expect(prompt(["--tools", tools]) == "tool_use: [{\"name\": \"f\"}]")
        #expect(mkdir(FilePath.join(model, "additional_chat_templates"), 0o700) == 0)
        try Self.write("more", to: FilePath.join(model, "additional_chat_templates/more.jinja"))
        try Self.write("own", to: FilePath.join(model, "chat_template.jinja"))
        #expect(prompt([]) == "own" && prompt(["--template", "more"]) == "more")
        let run = ToolRunner(qrun, [model, "--prompt", "Hi", "--print-prompt", "--tools", tools, "--no-thinking"])
        #expect(run.errors.contains("the template of the model has no place for tools, and the model is told of none"))
        #expect(run.errors.contains("the template of the model has no switch for thinking, and --no-thinking changes nothing"))
        try Self.write("{{ enable_thinking }}", to: FilePath.join(model, "chat_template.jinja"))
        #expect(prompt(["--no-thinking"]) == "False")
    }

    @Test func givesDocumentsToTemplatesThatAskForThem() throws {
        let folder = try TemporaryFolder()
        let template = folder.path("cited.jinja"), documents = folder.path("documents.json")
        try Self.write("{{ documents[0].text if documents else 'none' }} {{ messages[-1].content }}", to: template)
        try Self.write(#"[{"title": "Moon", "text": "It has no air."}]"#, to: documents)
        func run(_ tool: Tool, _ line: [String]) -> ToolRunner { ToolRunner(tool, line + ["--documents", documents]) }
        let line = [Self.model, "--prompt", "Hi", "--print-prompt"]
        #expect(ToolRunner(qrun, line + ["--template", template]).output == "none Hi")
        #expect(run(qrun, line + ["--template", template]).output == "It has no air. Hi")
        #expect(run(qrun, line).errors.contains("has no place for documents, and the model is told of none"))
        let document = try run(qinspect, ["template", Self.model, "--template", template, "--json"]).document()
        #expect(document["text"]?.string == "It has no air. Hello")
        try Self.write(#"["It has no air."]"#, to: documents)
        let refusal = run(qrun, line + ["--template", template])
        #expect(refusal.status == .failed && refusal.errors.contains("documents.json: is no list of documents"))
    }

    @Test func showsATemplateWithItsTokens() throws {
        let run = ToolRunner(qinspect, ["template", Self.model])
        #expect(run.status == .done)
        #expect(run.output.contains("of the model") && run.output.contains("add_generation_prompt, messages, eos_token"))
        #expect(run.output.contains("#│#│#"), "\(run.output)")
        let folder = try TemporaryFolder()
        let path = folder.path("talk.json")
        try Self.write(#"[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]"#, to: path)
        let document = try ToolRunner(qinspect, ["template", Self.model, "--messages", path, "--json"]).document()
        #expect(document["text"]?.string == "### Instruction:\nHi\n\n### Response:\nYes<|endoftext|>")
        let tokens = document["tokens"]?.array ?? []
        #expect(tokens.compactMap { $0["text"]?.string }.joined() == document["text"]?.string)
        #expect(tokens.last?["special"]?.bool == true && document["ends"]?.array == [.string("<|endoftext|>")])
        try Self.write("[]", to: path)
        #expect(ToolRunner(qinspect, ["template", Self.model, "--messages", path]).errors.contains("is no list of messages"))
    }

    /// The day is part of what a run is.
    @Test func trainingTellsTheSameDayEachTime() throws {
        let folder = try TemporaryFolder()
        let (data, template) = (folder.path("data.jsonl"), folder.path("dated.jinja"))
        try Self.write(#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#, to: data)
        try Self.write(
            "{{ strftime_now('%Y') }} {% for m in messages %}{{ m.content }}{% generation %}!{% endgeneration %}{% endfor %}", to: template)
        func note(_ options: String...) -> String {
            let line = [Self.model, "--data", data, "--template", template, "--split", "1,0,0", "--steps", "1", "--force"]
            return ToolRunner(qtrain, line + ["-o", folder.path("x.lora")] + options).errors
        }
        #expect(note().contains(#""2024 a[[!]]b[[!]]""#), "\(note())")
        #expect(note("--date", "2031-01-01").contains(#""2031 a[[!]]b[[!]]""#))
    }
}
