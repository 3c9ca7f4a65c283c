import ContainerKit
import Glibc
import TestSupport
import Testing

@testable import ByteIO

/// Writes `text` as the output `name` of a folder.
func writeOutput(_ text: String, to name: String, in folder: TemporaryFolder, replaces: Bool = false, inputs: [InputFile] = []) throws {
    let output = try AtomicOutput(destination: folder.path(name), replaces: replaces, inputs: inputs)
    let file = try output.file()
    try file.write(Array(text.utf8), atOffset: 0)
    try output.commit([file])
}

/// Writes a folder of small files.
func writeOutputFolder(
    _ files: [String: String], to name: String, in folder: TemporaryFolder, replaces: Bool = false, inputs: [InputFile] = []
) throws {
    let output = try AtomicOutput(destination: folder.path(name), isFolder: true, replaces: replaces, inputs: inputs)
    var written: [OutputFile] = []
    for (name, text) in files {
        let file = try output.createFile(named: name)
        try file.write(Array(text.utf8), atOffset: 0)
        written.append(file)
    }
    try output.commit(written)
}

@Suite struct AtomicOutputTests {
    @Test func writesAFile() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m.qnf"), replaces: false)
        #expect(output.destination == folder.path("m.qnf"))
        let file = try output.file()
        #expect(file.path == folder.path("m.qnf"))
        try file.write(Array("new".utf8), atOffset: 0)
        #expect(FilePath.kind(of: folder.path("m.qnf")) == .missing)
        try output.commit([file])
        #expect(try folder.names() == ["m.qnf"])
        #expect(try folder.text("m.qnf") == "new")
    }

    /// Temporary files are often made so that only their owner may read them.
    @Test func outputsHaveThePermissionsOfAnyNewFile() throws {
        let folder = try TemporaryFolder()
        func mode(_ name: String) -> mode_t {
            var status = stat()
            return stat(folder.path(name), &status) == 0 ? status.st_mode & 0o7777 : 0
        }
        try writeOutput("x", to: "m.qnf", in: folder)
        try writeOutputFolder(["config.json": "{}"], to: "model", in: folder)
        try folder.write("x", to: "plain")
        try #require(mkdir(folder.path("plain folder"), 0o777) == 0)
        #expect(mode("m.qnf") == mode("plain"))
        #expect(mode("model/config.json") == mode("plain"))
        #expect(mode("model") == mode("plain folder"))
    }

    @Test func writesAFolder() throws {
        let folder = try TemporaryFolder()
        try writeOutputFolder(["config.json": "{}", "model.safetensors": "data"], to: "model/", in: folder)
        #expect(try folder.names() == ["model"])
        #expect(try folder.names("model") == ["config.json", "model.safetensors"])
        #expect(try folder.text("model/model.safetensors") == "data")
    }

    @Test func droppedWithoutACommitLeavesNothing() throws {
        let folder = try TemporaryFolder()
        do {
            let output = try AtomicOutput(destination: folder.path("m.qnf"), replaces: false)
            try output.file().write([1, 2, 3], atOffset: 0)
            #expect(try folder.names().count == 1)
        }
        do {
            let output = try AtomicOutput(destination: folder.path("model"), isFolder: true, replaces: false)
            _ = try output.createFile(named: "config.json")
            _ = try output.createFile(named: "model.safetensors")
            #expect(try folder.names().count == 1)
        }
        #expect(try folder.names() == [])
    }

    @Test func droppedWithoutACommitLeavesTheOldOutputAlone() throws {
        let folder = try TemporaryFolder()
        try folder.write("old", to: "m.qnf")
        try writeOutputFolder(["model.safetensors": "old"], to: "model", in: folder)
        do {
            let output = try AtomicOutput(destination: folder.path("m.qnf"), replaces: true)
            try output.file().write([1, 2, 3, 4], atOffset: 0)
            let second = try AtomicOutput(destination: folder.path("model"), isFolder: true, replaces: true)
            _ = try second.createFile(named: "model.safetensors")
            #expect(try folder.text("m.qnf") == "old")
        }
        #expect(try folder.names() == ["m.qnf", "model"])
        #expect(try folder.text("m.qnf") == "old")
        #expect(try folder.text("model/model.safetensors") == "old")
    }

    @Test func replacesOnlyWhenAsked() throws {
        let folder = try TemporaryFolder()
        let old = try InputFile(path: folder.write("old", to: "m.qnf"))
        #expect(
            report(in: folder) { try writeOutput("new", to: "m.qnf", in: folder) } == "m.qnf: exists already\nhint: `replaces` replaces it")
        #expect(try folder.text("m.qnf") == "old")
        try writeOutput("new", to: "m.qnf", in: folder, replaces: true)
        #expect(try folder.text("m.qnf") == "new")
        #expect(try folder.names() == ["m.qnf"])
        // Whoever has the old one open goes on reading it.
        #expect(try old.allBytes(limit: 3) == Array("old".utf8))
    }

    @Test func replacesAModelFolderAsAWhole() throws {
        let folder = try TemporaryFolder()
        try writeOutputFolder(["config.json": "{}", "a.safetensors": "1", "b.safetensors": "2"], to: "model", in: folder)
        #expect(
            report(in: folder) { try writeOutputFolder(["a.safetensors": "3"], to: "model", in: folder) }
                == "model: exists already\nhint: `replaces` replaces it")
        try writeOutputFolder(["a.safetensors": "3"], to: "model", in: folder, replaces: true)
        #expect(try folder.names("model") == ["a.safetensors"])
        #expect(try folder.text("model/a.safetensors") == "3")
        // The old folder is gone, also under its temporary name.
        #expect(try folder.names() == ["model"])
    }

    @Test func replacesAnEmptyFolder() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("model")
        try writeOutputFolder(["a.safetensors": "3"], to: "model", in: folder, replaces: true)
        #expect(try folder.names("model") == ["a.safetensors"])
        #expect(try folder.names() == ["model"])
    }

    /// What file systems get that cannot swap two names.
    @Test func exchangesFoldersInSteps() throws {
        let folder = try TemporaryFolder()
        for name in ["new", "old"] {
            try folder.makeFolder(name)
            try folder.write(name, to: "\(name)/file")
        }
        try AtomicOutput.exchangeInSteps(folder.path("new"), folder.path("old"))
        #expect(try folder.names() == ["new", "old"])
        #expect(try folder.text("old/file") == "new")
        #expect(try folder.text("new/file") == "old")
        // Where the new one has gone, the old one stays where it is.
        #expect(throws: Errno(code: ENOENT)) { try AtomicOutput.exchangeInSteps(folder.path("gone"), folder.path("old")) }
        #expect(try folder.text("old/file") == "new")
        #expect(throws: Errno(code: ENOENT)) { try AtomicOutput.exchangeInSteps(folder.path("old"), folder.path("gone")) }
        #expect(try folder.names() == ["new", "old"])
    }

    @Test func filesOfAFolderHaveNamesOfTheirOwn() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("model"), isFolder: true, replaces: false)
        _ = try output.createFile(named: "config.json")
        func message(_ name: String) -> String? { report(in: folder) { _ = try output.createFile(named: name) } }
        #expect(message("config.json") == "model/config.json: cannot be created: file exists")
        for name in ["../config.json", "/tmp/config.json", "a/b", "..", ".", "", "config.json\u{0}"] {
            #expect(message(name) == "model: '\(name)' cannot be the name of a file in it")
        }
        #expect(
            message(String(repeating: "n", count: 256))
                == "model/\(String(repeating: "n", count: 256)): cannot be created: file name too long")
    }

    @Test func whatAppearsDuringTheWorkIsNotReplacedUnasked() throws {
        let folder = try TemporaryFolder()
        for isFolder in [false, true] {
            let output = try AtomicOutput(destination: folder.path("out"), isFolder: isFolder, replaces: false)
            let place = isFolder ? try folder.makeFolder("out") : try folder.write("theirs", to: "out")
            do {
                try output.commit([])
                Issue.record("an existing output was replaced")
            } catch {
                #expect(error == FileError(place, "exists already", hint: "`replaces` replaces it"))
            }
            #expect(try folder.names() == ["out"])
            if isFolder { rmdir(place) } else { unlink(place) }
        }
    }

    /// Between check and rename there is a moment left; the rename itself must refuse as well.
    @Test func whatAppearsAtTheLastMomentIsNotReplacedUnasked() throws {
        let folder = try TemporaryFolder()
        let old = try folder.write("theirs", to: "out")
        let new = try folder.write("ours", to: "new")
        #expect(throws: Errno(code: EEXIST)) { try AtomicOutput.move(new, to: old, replaces: false) }
        #expect(try folder.text("out") == "theirs")
        try AtomicOutput.move(new, to: old, replaces: true)
        #expect(try folder.text("out") == "ours")
    }

    @Test func whatAppearsDuringTheWorkIsCheckedBeforeItIsReplaced() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("out"), isFolder: true, replaces: true)
        _ = try output.createFile(named: "model.safetensors")
        try folder.makeFolder("out")
        try folder.write("a year's work", to: "out/thesis.tex")
        do {
            try output.commit([])
            Issue.record("a folder of somebody else's was replaced")
        } catch {
            #expect(error.message == "exists already and is no model folder: it holds 'thesis.tex'")
        }
        #expect(try folder.text("out/thesis.tex") == "a year's work")
        #expect(try folder.names() == ["out"])
    }

    @Test func severalRunsMayWriteTheSameOutput() throws {
        let folder = try TemporaryFolder()
        let threads = (0..<4).map { thread in
            Thread {
                (0..<100).allSatisfy { round in
                    report(in: folder) {
                        // Each first looks for what killed runs have left, and must not take the others for such.
                        let output = try AtomicOutput(destination: folder.path("out"), isFolder: thread % 2 == 1, replaces: true)
                        if thread % 2 == 1 { _ = try output.createFile(named: "a.safetensors") } else { _ = try output.file() }
                    } == nil
                }
            }
        }
        #expect(threads.map { $0.join() } == [true, true, true, true])
        #expect(try folder.names() == [])
    }
}
