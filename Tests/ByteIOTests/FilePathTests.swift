import Glibc
import TestSupport
import Testing

@testable import ByteIO

@Suite struct FilePathTests {
    @Test(
        "takes paths apart",
        arguments: [
            ("a", ".", "a"), ("a/b", "a", "b"), ("/a", "/", "a"), ("/a/b/", "/a", "b"), ("a//b", "a", "b"), ("a/b///", "a", "b"),
            ("/", "/", "/"), ("//", "/", "/"), ("///a", "/", "a"), (".", ".", "."), ("..", ".", ".."), ("a/..", "a", ".."), ("", ".", ""),
            ("./a", ".", "a"), ("é/ü", "é", "ü"), ("a.b/c.d", "a.b", "c.d"), ("a /b ", "a ", "b "),
        ])
    func takesPathsApart(path: String, folder: String, name: String) {
        #expect(FilePath.folder(of: path) == folder)
        #expect(FilePath.name(of: path) == name)
    }

    /// As Swift characters, the slash and the accent after it are one, and so is the last slash with the one before a name.
    @Test func aSlashBeforeACombiningAccentIsASlash() {
        #expect(FilePath.folder(of: "a/\u{301}b") == "a")
        #expect(Array(FilePath.name(of: "a/\u{301}b").utf8) == Array("\u{301}b".utf8))
        #expect(Array(FilePath.join("a/", "\u{301}b").utf8) == Array("a/\u{301}b".utf8))
        #expect(!FilePath.isPlainName("a/\u{301}b"))
    }

    @Test func joins() {
        #expect(FilePath.join("a", "b") == "a/b")
        #expect(FilePath.join("a/", "b") == "a/b")
        #expect(FilePath.join("/", "b") == "/b")
        #expect(FilePath.join(".", "b") == "./b")
    }

    @Test(
        "knows what can be the name of a file",
        arguments: [
            ("a", true), ("a.b", true), ("...", true), (".a", true), (" ", true), ("a\\b", true), ("é", true),
            ("", false), (".", false), ("..", false), ("/", false), ("a/b", false), ("a/", false), ("../a", false), ("a\u{0}", false),
        ])
    func knowsFileNames(name: String, isPlainName: Bool) {
        #expect(FilePath.isPlainName(name) == isPlainName)
    }

    @Test func tellsWhatLiesAtAPath() throws {
        let folder = try TemporaryFolder()
        try folder.write("x", to: "file")
        try folder.makeFolder("folder")
        try folder.link("to-file", to: "file")
        try folder.link("to-folder", to: folder.path("folder"))
        try folder.link("to-nothing", to: "nothing")
        try folder.link("to-itself", to: "to-itself")
        try #require(mkfifo(folder.path("pipe"), 0o600) == 0)
        let kinds = ["file", "folder", "to-file", "to-folder", "to-nothing", "to-itself", "pipe", "nothing", "file/below"].map {
            FilePath.kind(of: folder.path($0))
        }
        #expect(kinds == [.file, .folder, .file, .folder, .missing, .missing, .other, .missing, .missing])
        #expect(FilePath.kind(of: "/dev/null") == .other)
        #expect(FilePath.kind(of: "") == .missing)
        #expect(["file", "to-file", "to-nothing", "nothing"].map { FilePath.isLink(folder.path($0)) } == [false, true, true, false])
    }

    @Test func identityIsThatOfTheFileBehindLinks() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("x", to: "file")
        try folder.write("x", to: "twin")
        try folder.link("soft", to: "file")
        try #require(link(file, folder.path("hard")) == 0)
        let identity = try #require(FilePath.identity(of: file))
        #expect(FilePath.identity(of: folder.path("soft")) == identity)
        #expect(FilePath.identity(of: folder.path("hard")) == identity)
        #expect(FilePath.identity(of: folder.path("twin")) != identity)
        #expect(FilePath.identity(of: folder.path("nothing")) == nil)
        #expect(try InputFile(path: folder.path("soft")).identity == identity)
    }

    @Test func listsNamesInTheOrderOfTheirBytes() throws {
        let folder = try TemporaryFolder()
        for name in ["b", "B", "a10", "a2", ".hidden", "é", "z", "\u{1f600}"] { try folder.write("", to: name) }
        #expect(try folder.names() == [".hidden", "B", "a10", "a2", "b", "z", "é", "\u{1f600}"])
        try folder.makeFolder("empty")
        #expect(try folder.names("empty") == [])
        #expect(
            report(in: folder) { _ = try FilePath.entries(of: folder.path("nothing")) }
                == "nothing: cannot be listed: no such file or directory")
        #expect(report(in: folder) { _ = try FilePath.entries(of: folder.path("b")) } == "b: cannot be listed: not a directory")
    }
}
