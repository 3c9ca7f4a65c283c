import ByteIO
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

/// The checksum that a header holds of itself is found, and compared, however few bytes are read at a time.
@Suite struct HeaderChecksumTests {
    private static let key = "test.crc32c"

    /// A file whose checksum stands behind `distance` bytes of other metadata.
    private static func write(_ folder: TemporaryFolder, distance: Int) throws -> String {
        let path = folder.path("m.safetensors")
        let shape = try #require(Shape([2]))
        let info = try #require(TensorInfo(name: "a", scalarType: .u8, shape: shape))
        let metadata = [
            ("before", String(repeating: "x", count: distance)), (key, "00000000"), ("after", String(repeating: "y", count: 99)),
        ]
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        let writer = try SafetensorsWriter(file: file, plan: [info], metadata: metadata)
        try [1, 2].withUnsafeBytes { try writer.write(UnsafeRawBufferPointer(rebasing: $0[..<2]), tensor: 0) }
        try writer.finish(checksumKey: key) { _ in metadata }
        try output.commit([file])
        return path
    }

    @Test func isTheSameInPieces() throws {
        let folder = try TemporaryFolder()
        for distance in 0..<70 {
            let file = try SafetensorsFile(path: Self.write(folder, distance: distance))
            let stated = try #require(file.metadata(Self.key))
            for pieceByteCount in [32, 33, 64, 1 << 20] {
                let found = try file.checkHeader(key: Self.key, stated: stated, hint: "", pieceByteCount: pieceByteCount)
                #expect(found.description == stated, "\(distance) bytes before it, \(pieceByteCount) at a time")
            }
        }
    }

    @Test func findsAChangedByteInAnyPiece() throws {
        let folder = try TemporaryFolder()
        let path = try Self.write(folder, distance: 40)
        let bytes = try InputFile(path: path).allBytes(limit: 1 << 16)
        let stated = try #require(try SafetensorsFile(path: path).metadata(Self.key))
        // Bytes within the runs of the metadata: the rest of the header keeps its meaning.
        for place in bytes.indices.dropFirst() where "xy".utf8.contains(bytes[place]) && bytes[place] == bytes[place - 1] {
            var changed = bytes
            changed[place] = UInt8(ascii: "z")
            try folder.write(changed, to: "m.safetensors")
            let file = try SafetensorsFile(path: path)
            #expect(throws: FileError.self) { try file.checkHeader(key: Self.key, stated: stated, hint: "", pieceByteCount: 40) }
        }
    }
}
