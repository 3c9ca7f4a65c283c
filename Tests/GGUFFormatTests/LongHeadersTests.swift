import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import GGUFFormat

/// Headers longer than the window that they are read through.
@Suite struct LongHeadersTests {
    private func open(_ image: GGUFImage, in folder: TemporaryFolder) throws -> GGUFSource {
        try GGUFSource(path: folder.write(image.bytes, to: "m"))
    }

    /// A vocabulary of a million entries is checked when the file is opened, in bounded time, and read when it is asked for.
    @Test func opensAMillionStrings() throws {
        var image = GGUFImage.small
        let thousand = (0..<1000).map { number in number % 7 == 0 ? "\u{2581}t\u{f6}ken \(number)" : "token \(number)" }
        let items = thousand.flatMap { image.string($0) }
        var all: [UInt8] = []
        for _ in 0..<1000 { all += items }
        image.add("tokens", type: 9, image.array(of: 8, count: 1_000_000, [all]))
        let folder = try TemporaryFolder()
        let path = try folder.write(image.bytes, to: "m")
        let clock = ContinuousClock()
        var source: GGUFSource?
        let time = try clock.measure { source = try GGUFSource(path: path) }
        // Tens of milliseconds where the compiler optimises; tests are built without.
        #expect(time < .seconds(20))
        let tokens = try #require(try source?.metadata.array("tokens", of: .string))
        #expect(tokens.count == 1_000_000)
        #expect(try tokens.values(limit: 1000) == thousand.map { .string($0) })
    }

    /// Characters of several bytes stand at every place where a window can end.
    @Test(arguments: 0..<8) func readsStringsThatWindowsCut(_ shift: Int) throws {
        let folder = try TemporaryFolder()
        let length = HeaderCursor.windowByteCount / 4 * 3
        let long = String(repeating: "x", count: shift) + String(repeating: "\u{1f600}\u{e9}\u{2581}", count: length / 9)
        let texts = ["short", long, "", long, "z"]
        var image = GGUFImage.small
        image.add("list", type: 9, image.array(of: 8, texts.map { image.string($0) }))
        image.add("text", long + long + long)
        let source = try open(image, in: folder)
        #expect(try source.metadata.array("list", of: .string)?.strings() == texts)
        #expect(try source.metadata.string("text") == long + long + long)
    }

    /// A fault in a string of several windows is found wherever it stands, also where a window ends in the middle of a character.
    @Test func findsFaultsInLongStrings() throws {
        let folder = try TemporaryFolder()
        let count = 3 * HeaderCursor.windowByteCount
        for place in [0, HeaderCursor.windowByteCount - 2, HeaderCursor.windowByteCount - 1, HeaderCursor.windowByteCount, count - 1] {
            for fault: [UInt8] in [[0xff], [0x80], [0xf0], [0xe2, 0x96, 0x20]] where place + fault.count <= count {
                var text = [UInt8](repeating: 0x61, count: count)
                text.replaceSubrange(place..<place + fault.count, with: fault)
                var image = GGUFImage.small
                image.add("list", type: 9, image.array(of: 8, [image.string(text)]))
                let error = #expect(throws: FileError.self) { try open(image, in: folder) }
                #expect(error?.message == "string 0 of key 'list' is not UTF-8", "\(fault) at \(place)")
            }
        }
    }

    @Test func opensThousandsOfTensors() throws {
        var image = GGUFImage()
        for number in 0..<3000 { image.add(tensor: "blk.\(number).weight", [0, 4], type: 8) }
        let folder = try TemporaryFolder()
        let source = try open(image, in: folder)
        #expect(source.tensors.count == 3000 && source.tensors[2999].name == "blk.2999.weight")
        #expect(source.tensors.allSatisfy { $0.byteCount == 0 && $0.shape.dimensions == [4, 0] })
    }
}
