/// What an index may hold at most: far above any real checkpoint, low enough that a hostile one cannot exhaust memory.
///
/// Prefix sharing and snappy let a small file describe much more than it holds, so what comes out is limited too.
struct TableLimits: Hashable, Sendable {
    /// Bytes of an index file. GPT-2 1558M takes 21 KiB.
    var fileByteCount = 512 << 20
    /// Bytes a snappy block may declare to hold; TensorFlow closes a block at 256 KiB.
    var decompressedByteCount = 64 << 20
    /// Bytes of one key.
    var keyByteCount = 64 << 10
    /// Bytes of all keys together, shared prefixes written out.
    var allKeysByteCount = 256 << 20
    /// Entries of a table, the header among them.
    var entryCount = 1 << 20
}
