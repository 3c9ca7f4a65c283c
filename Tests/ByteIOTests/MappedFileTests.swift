import ByteIO
import TestSupport
import Testing

@Suite struct MappedFileTests {
    @Test func givesTheBytesOfTheFile() throws {
        let folder = try TemporaryFolder()
        let text = String(repeating: "0123456789abc", count: 1000)
        let content = Array(text.utf8)
        let file = try MappedFile(try InputFile(path: folder.write(text, to: "data")))
        #expect(file.byteCount == content.count)
        #expect(Array(try file.bytes(0..<content.count)) == content)
        #expect(Array(try file.bytes(4095..<4097)) == Array(content[4095..<4097]))
        #expect(try file.bytes(13_000..<13_000).isEmpty)
        file.prefetch(5000..<13_000)
    }

    @Test func mapsAnEmptyFile() throws {
        let folder = try TemporaryFolder()
        let file = try MappedFile(try InputFile(path: folder.write("", to: "empty")))
        #expect(try file.bytes(0..<0).isEmpty)
    }

    @Test(arguments: [0..<5, 4..<5, 5..<5]) func refusesBytesThatTheFileDoesNotHave(range: Range<Int>) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("1234", to: "short")
        let file = try MappedFile(try InputFile(path: path))
        #expect(
            throws: FileError(
                path, at: "byte \(range.lowerBound)", "\(range.count) bytes are needed here, but the file has 4",
                hint: "the file is shorter than its own header says; fetch it again")
        ) { _ = try file.bytes(range) }
    }
}
