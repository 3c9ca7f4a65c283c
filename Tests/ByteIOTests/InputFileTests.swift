import ByteIO
import Glibc
import TestSupport
import Testing

@Suite struct InputFileTests {
    private func bytes(_ file: InputFile, atOffset offset: Int, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: count)
        try bytes.withUnsafeMutableBytes { try file.read(atOffset: offset, into: $0) }
        return bytes
    }

    @Test func readsAnyRange() throws {
        let folder = try TemporaryFolder()
        let text = Array("0123456789".utf8)
        let file = try InputFile(path: folder.write("0123456789", to: "digits"))
        #expect(file.byteCount == 10)
        #expect(file.name == "digits")
        for start in 0...10 {
            for end in start...10 {
                #expect(try bytes(file, atOffset: start, count: end - start) == Array(text[start..<end]))
                #expect(try file.bytes(atOffset: start, count: end - start) == Array(text[start..<end]))
            }
        }
        #expect(try file.allBytes(limit: 10) == text)
    }

    @Test(
        "refuses what is no file that can be opened",
        arguments: [
            ("nothing", "nothing: cannot be opened: no such file or directory"), ("folder", "folder: is a folder, not a file"),
            ("file/below", "file/below: cannot be opened: not a directory"),
            ("dangling", "dangling: cannot be opened: no such file or directory"),
            ("loop", "loop: cannot be opened: too many levels of symbolic links"), ("pipe", "pipe: is not a regular file"),
            ("to-folder", "to-folder: is a folder, not a file"),
            ("file\u{0}.safetensors", "file\u{0}.safetensors: cannot be opened: no path holds a NUL character"),
        ])
    func refuses(name: String, message: String) throws {
        let folder = try TemporaryFolder()
        try folder.write("x", to: "file")
        try folder.makeFolder("folder")
        try folder.link("dangling", to: "gone")
        try folder.link("loop", to: "loop")
        try folder.link("to-folder", to: "folder")
        // Nobody writes into it: opening it for reading must not wait for somebody to come.
        try #require(mkfifo(folder.path("pipe"), 0o600) == 0)
        #expect(report(in: folder) { _ = try InputFile(path: folder.path(name)) } == message)
    }

    @Test func refusesDevices() {
        #expect(report { _ = try InputFile(path: "/dev/null") } == "/dev/null: is not a regular file")
        #expect(report { _ = try InputFile(path: "") } == ": cannot be opened: no such file or directory")
    }

    @Test(
        "refuses reads outside the file",
        arguments: [
            (-1, 1), (0, 11), (5, 6), (10, 1), (11, 0), (Int.max, 1), (Int.min, 1), (1, Int.max), (Int.max, Int.max),
        ])
    func refusesReadsOutside(offset: Int, count: Int) throws {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write("0123456789", to: "digits"))
        let expected = """
            digits: byte \(offset): \(count) bytes are needed here, but the file has 10
            hint: the file is shorter than its own header says; fetch it again
            """
        // Checked before anything is allocated.
        #expect(report(in: folder) { _ = try file.bytes(atOffset: offset, count: count) } == expected)
        guard count < 1000 else { return }
        #expect(report(in: folder) { _ = try bytes(file, atOffset: offset, count: count) } == expected)
    }

    @Test func refusesNegativeCounts() throws {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write("0123456789", to: "digits"))
        #expect(throws: FileError.self) { try file.bytes(atOffset: 5, count: -1) }
        #expect(throws: FileError.self) { try file.bytes(atOffset: 5, count: .min) }
    }

    @Test func limitsWholeFiles() throws {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write("0123456789", to: "digits"))
        #expect(
            report(in: folder) { _ = try file.allBytes(limit: 9) } == "digits: is 10 bytes long, but at most 9 are read of such a file")
    }

    @Test func aFileThatShrinksIsAnError() throws {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write("0123456789", to: "digits"))
        try #require(truncate(file.path, 4) == 0)
        #expect(try bytes(file, atOffset: 0, count: 4) == Array("0123".utf8))
        let expected = "digits: byte 4: the file has shrunk while it was read (it had 10 bytes)"
        #expect(report(in: folder) { _ = try bytes(file, atOffset: 2, count: 5) } == expected)
        #expect(report(in: folder) { _ = try file.bytes(atOffset: 0, count: 10) } == expected)
    }

    @Test func aFileThatIsReplacedStaysReadable() throws {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write("old", to: "name"))
        try folder.write("new", to: "other")
        try #require(rename(folder.path("other"), folder.path("name")) == 0)
        #expect(try file.allBytes(limit: 3) == Array("old".utf8))
    }

    @Test func anEmptyFileHasNoBytes() throws {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write("", to: "empty"))
        #expect(try file.allBytes(limit: 0) == [])
        #expect(try bytes(file, atOffset: 0, count: 0) == [])
    }

    @Test func manyThreadsReadAtOnce() throws {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write(String(repeating: "0123456789", count: 10_000), to: "digits"))
        let threads = (0..<4).map { _ in
            Thread {
                (0..<500).allSatisfy { round in
                    let offset = round * 197 % 99_000
                    let expected = (0..<1000).map { UInt8(ascii: "0") + UInt8((offset + $0) % 10) }
                    return (try? file.bytes(atOffset: offset, count: 1000)) == expected
                }
            }
        }
        #expect(threads.map { $0.join() } == [true, true, true, true])
    }
}
