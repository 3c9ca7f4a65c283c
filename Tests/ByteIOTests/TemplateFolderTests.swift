import ContainerKit
import Glibc
import TestSupport
import Testing

@testable import ByteIO

/// The one folder that a folder of a model may hold.
@Suite struct TemplateFolderTests {
    @Test(
        "knows the names of its files",
        arguments: [
            ("additional_chat_templates/tool_use.jinja", "tool_use"), ("additional_chat_templates/a.b.jinja", "a.b"),
            ("additional_chat_templates/é.jinja", "é"), ("additional_chat_templates/.x.jinja", ".x"),
            ("additional_chat_templates/.jinja", nil), ("additional_chat_templates/..jinja", nil),
            ("additional_chat_templates/...jinja", nil), ("additional_chat_templates/x.json", nil),
            ("additional_chat_templates/a/b.jinja", nil), ("additional_chat_templates//b.jinja", nil),
            ("additional_chat_templates/../x.jinja", nil), ("additional_chat_templates/../x", nil),
            ("additional_chat_templates/a\u{0}.jinja", nil), ("additional_chat_templates/", nil), ("additional_chat_templates", nil),
            ("additional_chat_templates/x.jinja/", nil), ("/additional_chat_templates/x.jinja", nil), ("../x.jinja", nil),
            ("Additional_chat_templates/x.jinja", nil), ("x.jinja", nil), ("", nil),
        ] as [(String, String?)])
    func namesTemplates(file: String, template: String?) {
        #expect(TemplateFolder.templateName(of: file) == template)
        #expect(TemplateFolder.isFileName(file) == (template != nil || file == "x.jinja"))
    }

    /// As one `Character` with the slash, a combining mark would hide it.
    @Test func namesAreReadByBytes() {
        #expect(TemplateFolder.templateName(of: "additional_chat_templates/\u{301}a.jinja") == "\u{301}a")
        #expect(!TemplateFolder.isFileName("additional_chat_templates/a/\u{301}b.jinja"))
        #expect(!TemplateFolder.isFileName("b/\u{301}.jinja"))
    }

    private static let file = "additional_chat_templates/tool_use.jinja"

    @Test func isWrittenReplacedAndListed() throws {
        let folder = try TemporaryFolder()
        try writeOutputFolder(["config.json": "{}", Self.file: "old", "additional_chat_templates/b.jinja": "b"], to: "m", in: folder)
        #expect(try folder.names("m") == ["additional_chat_templates", "config.json"])
        #expect(
            try TemplateFolder.files(ofModel: folder.path("m")) == ["additional_chat_templates/b.jinja", Self.file, "config.json"])
        try writeOutputFolder(["config.json": "{}", Self.file: "new"], to: "m", in: folder, replaces: true)
        #expect(try folder.text("m/\(Self.file)") == "new")
        #expect(try folder.names("m/additional_chat_templates") == ["tool_use.jinja"])
        // The old folder is gone, with the one inside it.
        #expect(try folder.names() == ["m"])
    }

    @Test func aFolderWithOthersWorkInsideIsNotReplaced() throws {
        let folder = try TemporaryFolder()
        func refusal() -> String? {
            report(in: folder) { try writeOutputFolder(["config.json": "{}"], to: "m", in: folder, replaces: true) }
        }
        try writeOutputFolder(["config.json": "{}", Self.file: "old"], to: "m", in: folder)
        for (name, isFolder) in [("notes.txt", false), ("more.jinja", true), (".jinja", false)] {
            let inner = "additional_chat_templates/\(name)"
            if isFolder { try folder.makeFolder("m/\(inner)") } else { try folder.write("mine", to: "m/\(inner)") }
            #expect(refusal() == "m: exists already and is no model folder: it holds '\(inner)'\nhint: choose another output")
            folder.remove("m/\(inner)")
        }
        #expect(refusal() == nil)
        try folder.write("mine", to: "m/additional_chat_templates")
        #expect(refusal() == "m: exists already and is no model folder: it holds 'additional_chat_templates'\nhint: choose another output")
    }

    /// What is behind a link is nobody's to remove.
    @Test func aLinkIsRemovedAndNotWhatItLeadsTo() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("theirs")
        try folder.write("text", to: "theirs/a.jinja")
        try folder.makeFolder("m")
        try folder.write("{}", to: "m/config.json")
        try folder.link("m/additional_chat_templates", to: folder.path("theirs"))
        try writeOutputFolder(["config.json": "new"], to: "m", in: folder, replaces: true)
        #expect(try folder.names("m") == ["config.json"] && folder.text("theirs/a.jinja") == "text")
    }

    @Test func anInputInsideIsNotReplaced() throws {
        let folder = try TemporaryFolder()
        try writeOutputFolder(["config.json": "{}", Self.file: "old"], to: "m", in: folder)
        let input = try InputFile(path: folder.path("m/\(Self.file)"))
        #expect(
            report(in: folder) { try writeOutputFolder(["config.json": ""], to: "m", in: folder, replaces: true, inputs: [input]) }
                == "m: holds an input (m/\(Self.file))\nhint: choose another output")
    }

    @Test func whatAKilledRunLeftIsRemoved() async throws {
        let folder = try TemporaryFolder()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder.path("m") as String] in
            let output = try AtomicOutput(destination: path, isFolder: true, replaces: false)
            _ = try output.createFile(named: "additional_chat_templates/a.jinja")
            kill(getpid(), SIGKILL)
        }
        #expect(try folder.names().count == 1)
        _ = try AtomicOutput(destination: folder.path("m"), isFolder: true, replaces: false)
        #expect(try folder.names() == [])
    }
}
