/// What an index may hold at most: far above any real checkpoint, low enough that a hostile one cannot exhaust memory.
///
/// Prefix sharing and snappy let a small file describe much more than it holds, so what comes out is limited too.
enum TableLimits {
    /// Bytes of an index file. GPT-2 1558M takes 21 KiB.
    static let fileByteCount = 512 << 20
    /// Bytes a snappy block may declare to hold; TensorFlow closes a block at 256 KiB.
    static let decompressedByteCount = 64 << 20
    /// Bytes of one key.
    static let keyByteCount = 64 << 10
    /// Bytes of all keys together, shared prefixes written out.
    static let allKeysByteCount = 256 << 20
    /// Entries of a table, the header among them.
    static let entryCount = 1 << 20
}
