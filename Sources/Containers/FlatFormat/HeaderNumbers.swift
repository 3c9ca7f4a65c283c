import ByteIO

/// The 32-bit whole numbers that a file begins with, each checked when it is taken.
struct HeaderNumbers {
    private let path: String
    private let bytes: [UInt8]

    /// - Parameter bytes: the first of the file; numbers behind their end are missing.
    init(_ bytes: [UInt8], path: String) {
        self.path = path
        self.bytes = bytes
    }

    var count: Int { bytes.count / 4 }

    /// Little-endian, with its sign.
    ///
    /// - Precondition: there are so many.
    subscript(index: Int) -> Int {
        Int(Int32(truncatingIfNeeded: bytes[4 * index..<4 * index + 4].reversed().reduce(0) { $0 << 8 | Int($1) }))
    }

    func place(_ index: Int) -> String { "byte \(4 * index)" }

    /// A number from 1 to `limit`.
    ///
    /// - Parameter name: what the program calls it.
    func value(_ index: Int, _ name: String, limit: Int) throws(FileError) -> Int {
        guard (1...limit).contains(self[index]) else {
            throw FileError(path, at: place(index), "\(name) is \(self[index]), but 1 to \(limit) is expected")
        }
        return self[index]
    }
}
