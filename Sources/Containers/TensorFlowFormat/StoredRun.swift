/// Bytes of a tensor, or of a slice of one, as they lie in a file, with their stored checksum.
struct StoredRun: Hashable, Sendable {
    /// Index into the files of the bundle.
    let file: Int
    let offset: Int
    let byteCount: Int
    /// Masked crc32c of the bytes.
    let checksum: UInt32
}
