import ByteIO
import TensorCore
import TestSupport

@testable import TensorFlowFormat

/// A bundle in `Tests/Fixtures/tensorflow`, written by TensorFlow.
struct BundleFixture: CustomStringConvertible, Sendable {
    let folder: String
    let prefix: String

    var description: String { folder }
    var path: String { Self.root + "/" + folder }
    var prefixPath: String { path + "/" + prefix }

    static let root = Fixture.path("tensorflow")

    static let all =
        ["bf16", "f16", "grid", "openai", "partitioned", "sharded3", "slots", "types"].map {
            BundleFixture(folder: $0, prefix: "model.ckpt")
        } + [BundleFixture(folder: "objects", prefix: "ckpt-1"), BundleFixture(folder: "savedmodel/variables", prefix: "variables")]

    static func named(_ folder: String) -> BundleFixture { BundleFixture(folder: folder, prefix: "model.ckpt") }

    func open() throws -> TensorBundle { try TensorBundle.open(prefix: prefixPath) }

    func bytes(_ suffix: String) throws -> [UInt8] { try Fixture.bytes(prefixPath + suffix) }

    /// What TensorFlow reads from it.
    func expected() throws -> [Expected] {
        try Fixture.text(at: path + "/expected.tsv").split(separator: "\n").map { line in
            let fields = line.split(separator: "\t", maxSplits: 3)
            guard fields.count == 4 else { throw SupportError("a line of expected.tsv has \(fields.count) fields") }
            return Expected(
                type: String(fields[0]), shape: String(fields[1]), checksum: CRC32C(hexadecimal: fields[2]),
                name: String(fields[3]))
        }
    }

    struct Expected {
        let type: String
        let shape: String
        /// Of the bytes; nil for strings.
        let checksum: CRC32C?
        let name: String
    }
}

extension TensorBundle {
    func bytes(ofTensor index: Int, _ range: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: range.count)
        try bytes.withUnsafeMutableBytes { buffer in
            try read(tensor: index, atByteOffset: range.lowerBound, into: buffer)
        }
        return bytes
    }

    /// Every checksum, through a buffer of this many bytes.
    func verifyAll(bufferByteCount: Int = 4096) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferByteCount, alignment: 16)
        defer { buffer.deallocate() }
        for index in tensors.indices { try verifyChecksum(tensor: index, buffer: buffer) }
    }
}
