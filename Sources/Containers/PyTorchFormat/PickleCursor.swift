import ByteIO

/// Reads a pickle from front to back through a window, every step checked against where it has to end.
struct PickleCursor {
    let file: InputFile
    /// Of the next byte, from the start of the file.
    private(set) var offset: Int
    private let end: Int
    private var window: [UInt8] = []
    private var windowStart = 0

    private static let windowByteCount = 1 << 18
    /// Of one string or number; names are far shorter.
    private static let itemByteCountLimit = 1 << 24

    init(_ file: InputFile, _ range: Range<Int>) {
        self.file = file
        offset = range.lowerBound
        end = range.upperBound
    }

    func failure(_ message: String, at place: Int? = nil, hint: String? = nil) -> FileError {
        FileError(file.path, at: "byte \(place ?? offset)", message, hint: hint)
    }

    mutating func byte() throws(FileError) -> UInt8 {
        try provide(1)
        defer { offset += 1 }
        return window[offset - windowStart]
    }

    mutating func run(_ count: UInt64) throws(FileError) -> ArraySlice<UInt8> {
        guard count <= UInt64(Self.itemByteCountLimit) else {
            throw failure("an item of the pickle has \(count) bytes, but at most \(Self.itemByteCountLimit) are read")
        }
        let count = Int(count)
        try provide(count)
        defer { offset += count }
        return window[offset - windowStart..<offset - windowStart + count]
    }

    /// A little-endian number of so many bytes.
    mutating func number(_ byteCount: Int) throws(FileError) -> UInt64 {
        try run(UInt64(byteCount)).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Up to a line feed, which is left out.
    mutating func line() throws(FileError) -> [UInt8] {
        let start = offset
        var line: [UInt8] = []
        while true {
            let next = try byte()
            if next == UInt8(ascii: "\n") { return line }
            line.append(next)
            guard line.count <= Self.itemByteCountLimit else { throw failure("a line of the pickle does not end", at: start) }
        }
    }

    private mutating func provide(_ count: Int) throws(FileError) {
        guard count <= end - offset else {
            throw failure(
                "\(count) bytes of a pickle are needed here, but \(end - offset) are left",
                hint: "the download is incomplete; fetch the file again")
        }
        guard offset < windowStart || offset + count > windowStart + window.count else { return }
        window = try file.bytes(atOffset: offset, count: min(end - offset, max(count, Self.windowByteCount)))
        windowStart = offset
    }
}
