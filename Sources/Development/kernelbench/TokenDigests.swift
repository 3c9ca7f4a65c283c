import ByteIO
import Tokenization

/// Ids of many texts in few bytes, for comparing with another library: `kernelbench ids FOLDER TEXTS`.
///
///     TEXTS    byte count (u32, little-endian), UTF-8, byte count, UTF-8 ...
///
/// A line for each text: how many ids it has, the SHA-256 of the ids as 32-bit integers, little-endian, with the special tokens that
/// the tokenizer adds, and the SHA-256 of the text that they decode to.
enum TokenDigests {
    private static let byteCountLimit = 1 << 30

    static func write(folder: String, texts path: String) throws {
        let files = try FilePath.entries(of: folder).filter(TokenizerFile.isRead).map { name in
            TokenizerFile(name: name, bytes: try InputFile(path: "\(folder)/\(name)").allBytes(limit: 1 << 28))
        }
        let tokenizer = try Tokenizer.open(files, path: folder)
        let bytes = try InputFile(path: path).allBytes(limit: byteCountLimit)
        var place = 0
        while place < bytes.count {
            guard bytes.count - place >= 4 else { throw FileError(path, at: "byte \(place)", "ends inside a byte count") }
            let count = (0..<4).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
            place += 4
            guard count <= bytes.count - place else {
                throw FileError(path, at: "byte \(place)", "\(count) bytes of text are needed, but \(bytes.count - place) are left")
            }
            let text = String(decoding: bytes[place..<place + count], as: UTF8.self)
            place += count
            let ids = tokenizer.encode(text)
            let stored = ids.flatMap { id in (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * $0)) } }
            print(ids.count, digest(stored), digest(Array(tokenizer.decode(ids).utf8)))
        }
    }

    private static func digest(_ bytes: [UInt8]) -> String {
        var hash = SHA256()
        hash.append(bytes)
        return hash.finish()
    }
}
