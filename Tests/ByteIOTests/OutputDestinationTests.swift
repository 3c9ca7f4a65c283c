import ByteIO
import ContainerKit
import Glibc
import TestSupport
import Testing

@Suite struct OutputDestinationTests {
    /// The error of opening an output, and proof that nothing was made.
    private func refusal(
        _ name: String, in folder: TemporaryFolder, isFolder: Bool = false, replaces: Bool = true, inputs: [InputFile] = []
    ) throws -> String? {
        let before = try folder.names()
        let message = report(in: folder) {
            _ = try AtomicOutput(destination: folder.path(name), isFolder: isFolder, replaces: replaces, inputs: inputs)
        }
        #expect(try folder.names() == before)
        return message
    }

    @Test(
        "refuses places where nothing can be made",
        arguments: [
            ("missing/a", "missing/a: cannot be created: there is no folder missing\nhint: create the folder first"),
            ("missing/b/a", "missing/b/a: cannot be created: there is no folder missing/b\nhint: create the folder first"),
            ("file/a", "file/a: cannot be created: file is not a folder"),
            ("pipe/a", "pipe/a: cannot be created: pipe is not a folder"),
            ("file/b/a", "file/b/a: cannot be created: there is no folder file/b\nhint: create the folder first"),
            ("dangling", "dangling: is a link that leads nowhere\nhint: remove the link, or choose another output"),
            ("loop", "loop: is a link that leads nowhere\nhint: remove the link, or choose another output"),
            ("empty/..", "empty/..: is no name for an output"), ("empty/.", "empty/.: is no name for an output"),
            ("a\u{0}b", "a\u{0}b: is no name for an output"),
        ])
    func refusesPlaces(name: String, message: String) throws {
        let folder = try TemporaryFolder()
        try folder.write("x", to: "file")
        try folder.makeFolder("empty")
        try folder.link("dangling", to: "nothing")
        try folder.link("loop", to: "loop")
        try #require(mkfifo(folder.path("pipe"), 0o600) == 0)
        for replaces in [true, false] {
            for isFolder in [true, false] {
                #expect(try refusal(name, in: folder, isFolder: isFolder, replaces: replaces) == message)
            }
        }
    }

    @Test("refuses names that are none", arguments: [("", "''"), (".", "."), ("..", ".."), ("/", "/"), ("//", "//")])
    func refusesNames(path: String, shown: String) {
        #expect(report { _ = try AtomicOutput(destination: path, replaces: true) } == "\(shown): is no name for an output")
        #expect(report { _ = try AtomicOutput(destination: path, isFolder: true, replaces: true) } == "\(shown): is no name for an output")
    }

    @Test func refusesFoldersThatCannotBeWritten() throws {
        // Root may write anywhere but here; what these folders say differs between kernels.
        for path in ["/proc/a.qnf", "/sys/a.qnf"] where FilePath.kind(of: FilePath.folder(of: path)) == .folder {
            for isFolder in [true, false] {
                let message = report { _ = try AtomicOutput(destination: path, isFolder: isFolder, replaces: false) }
                let reasons = ["no such file or directory", "permission denied", "operation not permitted", "read-only file system"]
                #expect(reasons.map { "\(path): cannot be created: \($0)" }.contains(message))
            }
        }
    }

    @Test func refusesAnotherKindThanIsWritten() throws {
        let folder = try TemporaryFolder()
        try folder.write("x", to: "file")
        try folder.makeFolder("folder")
        try #require(mkfifo(folder.path("pipe"), 0o600) == 0)
        for replaces in [true, false] {
            #expect(
                try refusal("folder", in: folder, replaces: replaces)
                    == "folder: is a folder; a file is to be written\nhint: choose another output")
            #expect(
                try refusal("file", in: folder, isFolder: true, replaces: replaces)
                    == "file: is a file; a folder is to be written\nhint: choose another output")
            #expect(
                try refusal("pipe", in: folder, replaces: replaces)
                    == "pipe: is neither file nor folder; a file is to be written\nhint: choose another output")
            #expect(try refusal("new/", in: folder, replaces: replaces) == "new/: is the name of a folder; a file is to be written")
            #expect(
                report { _ = try AtomicOutput(destination: "/dev/null", replaces: replaces) }
                    == "/dev/null: is neither file nor folder; a file is to be written\nhint: choose another output")
        }
    }

    struct Stranger: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let reason: String
        let make: @Sendable (TemporaryFolder) throws -> Void

        init(_ name: String, _ reason: String, _ make: @escaping @Sendable (TemporaryFolder) throws -> Void) {
            testDescription = name
            self.reason = reason
            self.make = make
        }
    }

    @Test(
        "never replaces a folder that is no model",
        arguments: [
            Stranger("a file of another kind", "it holds 'thesis.tex'") { try $0.write("x", to: "out/thesis.tex") },
            Stranger("a program", "it holds 'train.py'") { try $0.write("x", to: "out/train.py") },
            Stranger("a file without a kind", "it holds 'Makefile'") { try $0.write("x", to: "out/Makefile") },
            Stranger("a hidden file", "it holds '.bashrc'") { try $0.write("x", to: "out/.bashrc") },
            Stranger("a folder", "it holds 'sub'") { try $0.makeFolder("out/sub") },
            Stranger("a repository", "it holds '.git'") { try $0.makeFolder("out/.git") },
            Stranger("a folder with a model's name", "it holds 'a.safetensors'") { try $0.makeFolder("out/a.safetensors") },
            Stranger("a link to a folder", "it holds 'a.json'") { try $0.link("out/a.json", to: "/tmp") },
            Stranger("a link that leads nowhere", "it holds 'a.json'") { try $0.link("out/a.json", to: "gone") },
            Stranger("a pipe", "it holds 'a.json'") { try #require(mkfifo($0.path("out/a.json"), 0o600) == 0) },
            Stranger("nothing but text", "it holds neither config.json nor a .safetensors file") {
                unlink($0.path("out/config.json"))
                unlink($0.path("out/model.safetensors"))
                try $0.write("x", to: "out/notes.txt")
                try $0.write("x", to: "out/data.json")
            },
        ])
    func neverReplacesAStranger(stranger: Stranger) throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("out")
        try folder.write("{}", to: "out/config.json")
        try folder.write("data", to: "out/model.safetensors")
        try stranger.make(folder)
        let before = try folder.names("out")
        for replaces in [true, false] {
            #expect(
                try refusal("out", in: folder, isFolder: true, replaces: replaces)
                    == "out: exists already and is no model folder: \(stranger.reason)\nhint: choose another output")
        }
        #expect(try folder.names("out") == before)
    }

    @Test func replacesTheFilesOfAnyModelFolder() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("out")
        try folder.write("x", to: "weights")
        for name in [
            "config.json", "tokenizer.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "README.md", "LICENSE", "NOTICE",
            "model-00001-of-00002.safetensors", "model.safetensors.index.json",
        ] { try folder.write("x", to: "out/\(name)") }
        try folder.link("out/model-00002-of-00002.safetensors", to: "../weights")
        try writeOutputFolder(["model.safetensors": "new"], to: "out", in: folder, replaces: true)
        #expect(try folder.names("out") == ["model.safetensors"])
        // What a link led to is somebody else's.
        #expect(try folder.names() == ["out", "weights"])
    }

    @Test func writesThroughLinks() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("disk")
        try folder.write("old", to: "disk/real.qnf")
        try folder.link("m.qnf", to: "disk/real.qnf")
        try writeOutputFolder(["a.safetensors": "old"], to: "disk/real", in: folder)
        try folder.link("model", to: "disk/real")
        try folder.link("there", to: folder.path("disk"))
        #expect(try refusal("m.qnf", in: folder, replaces: false) == "m.qnf: exists already\nhint: `replaces` replaces it")
        #expect(try refusal("model", in: folder, isFolder: true, replaces: false) == "model: exists already\nhint: `replaces` replaces it")
        try writeOutput("new", to: "m.qnf", in: folder, replaces: true)
        try writeOutputFolder(["b.safetensors": "new"], to: "model/", in: folder, replaces: true)
        try writeOutput("more", to: "there/more.qnf", in: folder)
        #expect(FilePath.identity(of: folder.path("m.qnf")) == FilePath.identity(of: folder.path("disk/real.qnf")))
        #expect(try folder.text("disk/real.qnf") == "new")
        #expect(try folder.names("disk/real") == ["b.safetensors"])
        #expect(try folder.names("model") == ["b.safetensors"])
        #expect(try folder.names() == ["disk", "m.qnf", "model", "there"])
        #expect(try folder.names("disk") == ["more.qnf", "real", "real.qnf"])
    }

    @Test func neverWritesOverAnInput() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("weights", to: "in.safetensors")
        try folder.link("soft", to: "in.safetensors")
        try #require(link(path, folder.path("hard")) == 0)
        try folder.write("other", to: "other")
        for opened in ["in.safetensors", "soft", "hard"] {
            let inputs = [try InputFile(path: folder.path("other")), try InputFile(path: folder.path(opened))]
            for name in ["in.safetensors", "soft", "hard", "./soft", "../\(FilePath.name(of: folder.path))/hard"] {
                for replaces in [true, false] {
                    #expect(
                        try refusal(name, in: folder, replaces: replaces, inputs: inputs)
                            == "\(name): is also an input (\(opened))\nhint: choose another output")
                }
            }
            #expect(try refusal("new", in: folder, inputs: inputs) == nil)
        }
        #expect(try folder.text("in.safetensors") == "weights")
    }

    @Test func neverReplacesAFolderThatHoldsAnInput() throws {
        let folder = try TemporaryFolder()
        for name in ["model", "cache", "links"] { try folder.makeFolder(name) }
        try folder.write("weights", to: "model/model.safetensors")
        // As Hugging Face's cache keeps files: a folder of links into another.
        try folder.write("blob", to: "cache/0123")
        try folder.link("links/model.safetensors", to: "../cache/0123")
        try folder.link("to-model", to: "model")
        try folder.link("to-weights", to: "model/model.safetensors")
        for (opened, name) in [
            ("model/model.safetensors", "model"), ("model/model.safetensors", "to-model"), ("to-model/model.safetensors", "model"),
            ("to-weights", "model"), ("to-weights", "to-model"), ("links/model.safetensors", "links"), ("cache/0123", "links"),
        ] {
            let inputs = [try InputFile(path: folder.path(opened))]
            for replaces in [true, false] {
                #expect(
                    try refusal(name, in: folder, isFolder: true, replaces: replaces, inputs: inputs)
                        == "\(name): holds an input (\(opened))\nhint: choose another output")
            }
            #expect(try refusal("new", in: folder, isFolder: true, inputs: inputs) == nil)
        }
        #expect(try refusal("links", in: folder, isFolder: true, inputs: [InputFile(path: folder.path("to-weights"))]) == nil)
    }

    /// What may be replaced is for the caller to say.
    @Test func replacesOnlyFoldersOfTheKindThatIsAskedFor() throws {
        let folder = try TemporaryFolder()
        let songs = OutputForm.folder(
            .init("folder of songs", suffixes: [".mp3", ".txt"], marks: "a song nor a list") { $0.hasSuffix(".mp3") })
        func refusal(_ names: [String]) throws -> String? {
            try folder.makeFolder("out")
            for name in names { try folder.write("", to: "out/\(name)") }
            defer { folder.remove("out") }
            return report(in: folder) { _ = try AtomicOutput(destination: folder.path("out"), form: songs, replaces: true) }
        }
        let hint = "\nhint: choose another output"
        #expect(try refusal(["a.mp3", "b.txt"]) == nil && refusal([]) == nil)
        #expect(try refusal(["a.mp3", "b.doc"]) == "out: exists already and is no folder of songs: it holds 'b.doc'" + hint)
        #expect(try refusal(["b.txt"]) == "out: exists already and is no folder of songs: it holds neither a song nor a list" + hint)
    }
}
