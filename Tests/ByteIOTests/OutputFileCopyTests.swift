import TestSupport
import Testing

@testable import ByteIO

/// What the file system copies, and what is read and written where it cannot, are the same bytes.
@Suite struct OutputFileCopyTests {
    @Test(arguments: [0..<0, 0..<1, 0..<10_000_000, 4_194_303..<8_388_609, 9_999_999..<10_000_000])
    func copiesBytesToTheirPlace(_ range: Range<Int>) throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let input = try InputFile(path: folder.write(bytes, to: "input"))
        let output = try AtomicOutput(destination: folder.path("output"), replaces: false)
        let file = try output.file()
        try file.write([7], atOffset: 2 * range.count + 3)
        try file.copy(range, of: input, toOffset: 3)
        try file.copyThroughMemory(range, of: input, toOffset: 3 + range.count)
        try output.commit([file])
        #expect(try folder.bytes("output") == [0, 0, 0] + bytes[range] + bytes[range] + [7])
    }

    @Test func refusesWhatTheFileDoesNotHave() throws {
        let folder = try TemporaryFolder()
        let input = try InputFile(path: folder.write([1, 2, 3], to: "input"))
        let output = try AtomicOutput(destination: folder.path("output"), replaces: false)
        let file = try output.file()
        #expect(throws: FileError(input.path, at: "byte 2", "2 bytes are needed here, but the file has 3")) {
            try file.copy(2..<4, of: input, toOffset: 0)
        }
    }
}
