import Glibc
import TestSupport
import Testing

@testable import ByteIO

@Suite struct OutputFileTests {
    private func output(_ folder: TemporaryFolder, _ name: String) throws -> OutputFile {
        let descriptor = open(folder.path(name), O_RDWR | O_CREAT | O_EXCL, 0o600)
        try #require(descriptor >= 0)
        return OutputFile(descriptor: descriptor, path: "final/\(name)")
    }

    @Test func writesAnywhereInAnyOrder() throws {
        let folder = try TemporaryFolder()
        let file = try output(folder, "a")
        try file.write(Array("89".utf8), atOffset: 8)
        try file.write(Array("0123".utf8), atOffset: 0)
        try file.write([], atOffset: 100)
        try file.write(Array("4567".utf8), atOffset: 4)
        try file.write(Array("x".utf8), atOffset: 12)
        try file.synchronize()
        #expect(try folder.text("a") == "0123456789\u{0}\u{0}x")
    }

    @Test func reservedBytesAreZeroUntilWritten() throws {
        let folder = try TemporaryFolder()
        let file = try output(folder, "a")
        try file.reserve(byteCount: 0)
        try file.reserve(byteCount: 100_000)
        try file.write([1, 2], atOffset: 50_000)
        let input = try InputFile(path: folder.path("a"))
        #expect(input.byteCount == 100_000)
        var expected = [UInt8](repeating: 0, count: 100_000)
        expected[50_000] = 1
        expected[50_001] = 2
        #expect(try input.allBytes(limit: 100_000) == expected)
    }

    @Test func aFullDiskIsAnError() throws {
        let file = OutputFile(descriptor: open("/dev/full", O_RDWR), path: "a.qnf")
        #expect(report { try file.write([1], atOffset: 7) } == "a.qnf: byte 7: cannot be written: no space left on device")
        // A device cannot reserve; that shows when it is written to.
        try file.reserve(byteCount: 100)
    }

    /// As a file system without large files, or one over its quota, would say it.
    @Test func aFileThatMayNotGrowIsAnError() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardOutputContent]) {
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 1000, rlim_max: 1000)
            guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(1) }
            let folder = try TemporaryFolder()
            let file = try OutputFileTests().output(folder, "a")
            try file.write([UInt8](repeating: 1, count: 1000), atOffset: 0)
            print(report { try file.reserve(byteCount: 1001) } ?? "no error")
            print(report { try file.write([UInt8](repeating: 1, count: 500), atOffset: 800) } ?? "no error")
        }
        #expect(
            result.map { String(decoding: $0.standardOutputContent, as: UTF8.self) } == """
                final/a: 1001 bytes are needed, but the file system or a limit (ulimit -f) allows fewer in one file
                hint: choose a folder on another file system, or lift the limit
                final/a: byte 1000: cannot be written: file too large

                """)
    }
}
