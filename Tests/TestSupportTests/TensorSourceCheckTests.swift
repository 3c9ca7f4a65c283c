import ByteIO
import Glibc
import TensorCore
import TestSupport
import Testing

/// Each broken promise of a source is found.
@Suite struct TensorSourceCheckTests {
    enum Lie: CaseIterable {
        case sameName, sameNameUnread, otherBytes, besideBuffer, otherPlace, otherFile, noFile, otherChecksum, otherPart, otherThread,
            unreadable
    }

    /// Two tensors in one file, served with a lie.
    private struct LyingSource: TensorSource {
        let lie: Lie?
        let tensors: [TensorInfo]
        let files: [InputFile]
        let thread = pthread_self()

        init(_ lie: Lie?, in folder: TemporaryFolder) throws {
            self.lie = lie
            let shape = try #require(Shape([10]))
            tensors = ["a", lie == .sameName ? "a" : "b"].compactMap { TensorInfo(name: $0, scalarType: .f32, shape: shape) }
            var random = SeededGenerator(seed: 1)
            let file = try InputFile(path: try folder.write(random.bytes(80), to: "both"))
            files = lie == .otherFile ? [file, file] : [file]
        }

        var path: String { files[0].path }

        var unreadableTensors: [UnreadableTensor] {
            lie == .sameNameUnread ? [UnreadableTensor(name: "b", typeName: "string", shape: [], byteCount: 0)] : []
        }

        func fileIndex(ofTensor index: Int) -> Int { lie == .noFile || lie == .otherFile ? 1 : 0 }

        func place(ofTensor index: Int) -> (file: Int, offset: Int)? {
            lie == .noFile ? nil : (0, lie == .otherPlace ? 40 - 40 * index : 40 * index)
        }

        func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
            if lie == .unreadable { throw FileError(path, "is damaged") }
            let start = lie == .otherBytes && offset == 39 ? 38 : offset
            try files[0].read(atOffset: 40 * index + start, into: buffer)
            if lie == .otherThread, pthread_equal(thread, pthread_self()) == 0 { buffer[3] ^= 1 }
            if lie == .besideBuffer, buffer.count == 7 { buffer.baseAddress?.storeBytes(of: 1, toByteOffset: 7, as: UInt8.self) }
        }

        func storedChecksum(ofTensor index: Int) -> CRC32C? { lie == .otherChecksum ? CRC32C(value: 1) : nil }

        func verifyPartChecksums(ofTensor index: Int, buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
            if lie == .otherPart { throw FileError(path, "a checksum differs") }
        }
    }

    private static let faults: [Lie: String] = [
        .sameName: "'a' is listed twice", .sameNameUnread: "'b' is listed twice",
        .otherBytes: "'a' reads other bytes at 39..<40 than in one piece",
        .besideBuffer: "'a' reads other bytes at 0..<7 than in one piece",
        .otherPlace: "'a' is not what lies at its place", .otherFile: "'a' lies in file 0 and in file 1",
        .noFile: "'a' lies in file 1 of 1",
        .otherChecksum: "'a' has another checksum", .otherPart: "'a' has parts of another checksum: both: a checksum differs",
        .otherThread: "threads that read at once read other bytes", .unreadable: "'a' cannot be read: both: is damaged",
    ]

    @Test(arguments: Lie.allCases) func findsTheLie(_ lie: Lie) throws {
        let folder = try TemporaryFolder()
        let faults = checkTensorSource(try LyingSource(lie, in: folder))
        #expect(faults.first?.split(separator: "\(folder.path)/").joined() == Self.faults[lie])
    }

    @Test func findsNothingInTheTruth() throws {
        #expect(checkTensorSource(try LyingSource(nil, in: TemporaryFolder())) == [])
    }
}
