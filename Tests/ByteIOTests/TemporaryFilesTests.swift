import ContainerKit
import Glibc
import TestSupport
import Testing

@testable import ByteIO

@Suite struct TemporaryFilesTests {
    @Test func unfinishedOutputsAreHiddenBesideTheFinalOne() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m.qnf"), replaces: false)
        let name = try #require(try folder.names().first)
        #expect(name.hasPrefix(".m.qnf.partial-"))
        #expect(name.utf8.count == ".m.qnf.partial-01234567".utf8.count)
        _ = output.destination
    }

    @Test func theNextRunRemovesWhatAKilledOneLeft() async throws {
        let folder = try TemporaryFolder()
        for isFolder in [false, true] {
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder.path("m") as String, isFolder = isFolder as Bool] in
                let output = try AtomicOutput(destination: path, isFolder: isFolder, replaces: false)
                let file = isFolder ? try output.createFile(named: "a.safetensors") : try output.file()
                try file.write([1, 2, 3], atOffset: 0)
                kill(getpid(), SIGKILL)
            }
            let left = try folder.names()
            #expect(left.count == 1)
            #expect(left.first?.hasPrefix(".m.partial-") == true)
            // Another output's leftovers are not this one's business.
            _ = try AtomicOutput(destination: folder.path("m.qnf"), replaces: false)
            #expect(try folder.names() == left)
            _ = try AtomicOutput(destination: folder.path("m"), replaces: false)
            #expect(try folder.names() == [])
        }
    }

    @Test func whatALiveProcessWritesIsKept() async throws {
        let folder = try TemporaryFolder()
        async let child: Void = {
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder.path("m") as String] in
                let output = try AtomicOutput(destination: path, replaces: false)
                try output.file().write([1, 2, 3], atOffset: 0)
                try writeOutput("\(getpid())", to: "pid", at: FilePath.folder(of: path))
                while !output.destination.isEmpty { pause() }
            }
            return
        }()
        var process: pid_t?
        for _ in 0..<2000 where process == nil {
            process = (try? folder.text("pid")).flatMap { pid_t($0) }
            try await Task.sleep(for: .milliseconds(5))
        }
        let running = try #require(process)
        let names = try folder.names()
        #expect(names.count == 2)
        _ = try AtomicOutput(destination: folder.path("m"), replaces: false)
        #expect(try folder.names() == names)
        kill(running, SIGKILL)
        await child
        _ = try AtomicOutput(destination: folder.path("m"), replaces: false)
        #expect(try folder.names() == ["pid"])
    }

    @Test func onlyWhatLooksLikeALeftoverIsRemoved() throws {
        let folder = try TemporaryFolder()
        let kept = [
            ".m.partial-0123456", ".m.partial-012345678", ".m.partial-saved_it", ".m.partial-0123456X", ".m.partial-ABCDEF01",
            "m.partial-01234567",
            ".n.partial-01234567", ".m.partial-\u{e9}12345", ".m.partial-01234567.qnf",
        ]
        for name in kept { try folder.write("x", to: name) }
        try #require(mkfifo(folder.path(".m.partial-aaaaaaaa"), 0o600) == 0)
        try folder.makeFolder("elsewhere")
        try folder.write("x", to: "elsewhere/file")
        try folder.link(".m.partial-bbbbbbbb", to: "elsewhere")
        try folder.link(".m.partial-cccccccc", to: "gone")
        // A folder in the folder was made by nobody of us: it stays, with what is in it.
        try folder.makeFolder(".m.partial-dddddddd")
        try folder.makeFolder(".m.partial-dddddddd/deep")
        try folder.write("x", to: ".m.partial-dddddddd/deep/file")
        let before = try folder.names()
        try folder.write("x", to: ".m.partial-01234567")
        try folder.makeFolder(".m.partial-89abcdef")
        try folder.write("x", to: ".m.partial-89abcdef/config.json")
        _ = try AtomicOutput(destination: folder.path("m"), replaces: false)
        #expect(try folder.names() == before)
        #expect(try folder.text("elsewhere/file") == "x")
        #expect(try folder.text(".m.partial-dddddddd/deep/file") == "x")
    }

    @Test func removesAllBeforeTheProcessEnds() async throws {
        let folder = try TemporaryFolder()
        try folder.write("old", to: "a")
        await #expect(processExitsWith: .signal(SIGTERM)) { [path = folder.path as String] in
            try writeOutput("done", to: "done", at: path)
            let file = try AtomicOutput(destination: path + "/a", replaces: true)
            let model = try AtomicOutput(destination: path + "/b", isFolder: true, replaces: false)
            let config = try model.createFile(named: "config.json")
            TemporaryFiles.removeAll()
            // What is still being written hurts nobody.
            try config.write([1], atOffset: 0)
            guard FilePath.kind(of: path + "/a") == .file, (try? file.file()) == nil, (try? model.createFile(named: "b")) == nil
            else { exit(1) }
            kill(getpid(), SIGTERM)
        }
        #expect(try folder.names() == ["a", "done"])
        #expect(try folder.text("a") == "old")
    }

    /// A signal may come in the moment in which a folder gets its final name.
    @Test func aFolderIsNeverPutInPlaceHalfRemoved() async throws {
        let folder = try TemporaryFolder()
        await #expect(processExitsWith: .exitCode(0)) { [path = folder.path as String] in
            let output = try AtomicOutput(destination: path + "/model", isFolder: true, replaces: false)
            for number in 0..<2000 { _ = try output.createFile(named: "\(number).json") }
            let unfinished = try FilePath.join(path, #require(FilePath.entries(of: path).first))
            var thread = pthread_t()
            guard
                pthread_create(
                    &thread, nil,
                    { _ in
                        TemporaryFiles.removeAll(); return nil
                    }, nil) == 0
            else { exit(1) }
            while FilePath.kind(of: unfinished + "/0.json") == .file { usleep(10) }
            do { try output.commit([]) } catch {
                guard "\(error)" == "\(path)/model: cannot be put in place: no such file or directory" else { exit(2) }
            }
            pthread_join(thread, nil)
        }
        #expect(try folder.names() == [])
    }

    @Test func nothingBeginsOnceTheProcessIsEnding() async throws {
        let folder = try TemporaryFolder()
        await #expect(processExitsWith: .exitCode(0)) { [path = folder.path("a") as String] in
            TemporaryFiles.removeAll()
            do {
                _ = try AtomicOutput(destination: path, replaces: false)
                exit(1)
            } catch {
                guard "\(error)" == "\(path): cannot be created: operation canceled" else { exit(2) }
            }
        }
        #expect(try folder.names() == [])
    }

    @Test func anOutputThatWasRemovedCannotBeCommitted() async throws {
        let folder = try TemporaryFolder()
        await #expect(processExitsWith: .exitCode(0)) { [path = folder.path("a") as String] in
            let output = try AtomicOutput(destination: path, replaces: false)
            TemporaryFiles.removeAll()
            do {
                try output.commit([])
                exit(1)
            } catch {
                guard "\(error)" == "\(path): cannot be put in place: no such file or directory" else { exit(2) }
            }
        }
        #expect(try folder.names() == [])
    }
}

private func writeOutput(_ text: String, to name: String, at folder: String) throws {
    let output = try AtomicOutput(destination: FilePath.join(folder, name), replaces: false)
    let file = try output.file()
    try file.write(Array(text.utf8), atOffset: 0)
    try output.commit([file])
}
