import ByteIO
import JSONText
import TensorCore

/// What an undo record says about the base: its files, and how each tensor that a merge touched becomes what it was.
///
/// `formats/qnf.md` has the rules. Everything here is read from a file; `init(parsing:)` checks it.
struct UndoDirectory: Hashable, Sendable {
    static let version = 1

    /// Zlib streams that lie one after another in the record.
    struct Items: Hashable, Sendable {
        /// Of the first byte, from the start of the record.
        var offset: Int
        var byteCounts: [Int]

        var end: Int { offset + byteCounts.reduce(0, +) }
    }

    /// A safetensors file of the base.
    struct File: Hashable, Sendable {
        let name: String
        let byteCount: Int
        /// One stream: everything before the data section.
        let header: Items
        /// Of each tensor, in the order of the header's data.
        let checksums: [CRC32C]
    }

    /// Any other file of a base that is a folder.
    struct Companion: Hashable, Sendable {
        let name: String
        let byteCount: Int
        let checksum: CRC32C
        /// One stream, the file itself; nil where the merged folder holds it unchanged.
        let content: Items?
    }

    /// One product of the delta that was added: `scale * (left @ right)`, in float32.
    struct Term: Hashable, Sendable {
        let rank: Int
        let scale: Float
        /// Two streams: [rows, rank] and [rank, columns]; of several matrices all beneath each other in both.
        let factors: Items
    }

    /// How bytes of the merged tensor become those of the base.
    enum Method: Hashable, Sendable {
        /// They are XORed with what the items tell, a chunk each.
        case difference
        /// From the merged elements the delta is subtracted and the result rounded to their type; then as `difference`.
        /// Of several matrices in one tensor each has a product of its own.
        case subtraction(ScalarType, columns: Int, matrices: Int, [Term])
        /// The items are the bytes; the merged tensor, of which the name may lack, does not matter.
        case content
    }

    struct Tensor: Hashable, Sendable {
        let name: String
        let method: Method
        /// Bytes of the base's tensor, and of each chunk but the last.
        let byteCount: Int
        let chunkByteCount: Int
        let items: Items

        func range(ofChunk index: Int) -> Range<Int> { index * chunkByteCount..<min((index + 1) * chunkByteCount, byteCount) }
    }

    let isFolder: Bool
    let files: [File]
    let companions: [Companion]
    /// In any order; every name once.
    let tensors: [Tensor]
}
