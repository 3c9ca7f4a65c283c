import ByteIO

/// Which byte of a number comes first.
package enum ByteOrder: Sendable, Hashable {
    case little, big
}

/// Reads the header of a file from front to back, every step checked against the file's length before anything is reserved.
///
/// Through a window: a header may have a million strings, and hostile ones are as long as their file.
struct HeaderCursor {
    /// Nil of one over items that are in no file yet.
    let file: InputFile?
    let path: String
    var order: ByteOrder
    /// Of the next byte, from the start of the file.
    private(set) var offset: Int
    private var window: [UInt8] = []
    private var windowStart = 0
    private let end: Int

    static let windowByteCount = 1 << 18
    /// Bytes of a string in an array at most.
    static let itemByteCountLimit = 1 << 20
    static let cutHint = "the download is incomplete; fetch the file again"

    /// What to do where so many bytes or items should follow: no file is as long as damaged counts say.
    static func hint(missing count: UInt64) -> String { count < 1 << 40 ? cutHint : "the file is damaged; fetch it again" }

    init(_ file: InputFile, order: ByteOrder = .little, offset: Int = 0) {
        self.file = file
        path = file.path
        end = file.byteCount
        self.order = order
        self.offset = offset
    }

    /// Over encoded items in memory, of little-endian numbers.
    init(_ bytes: [UInt8]) {
        file = nil
        path = "metadata"
        end = bytes.count
        order = .little
        offset = 0
        window = bytes
    }

    /// Bytes of the file from here on.
    var remainingCount: Int { end - offset }

    func failure(_ message: String, at offset: Int? = nil, hint: String? = nil) -> FileError {
        FileError(path, at: "byte \(offset ?? self.offset)", message, hint: hint)
    }

    /// - Parameter what: is read here, for messages: `the count of tensors`.
    mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ type: Integer.Type, _ what: @autoclosure () -> String
    ) throws(FileError) -> Integer {
        let byteCount = Integer.bitWidth / 8
        try provide(byteCount, what())
        let value = window.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset - windowStart, as: type) }
        offset += byteCount
        return order == .little ? Integer(littleEndian: value) : Integer(bigEndian: value)
    }

    /// A string, refused where it is longer than `limit` bytes.
    mutating func string(limit: Int, _ what: @autoclosure () -> String) throws(FileError) -> String {
        let start = offset
        let count = try length(what())
        guard count <= limit else { throw failure("\(what()) has \(count) bytes, but at most \(limit) are read", at: start) }
        try provide(count, what())
        let bytes = offset - windowStart..<offset - windowStart + count
        let text = window.withUnsafeBytes { String(validating: UnsafeRawBufferPointer(rebasing: $0[bytes]), as: UTF8.self) }
        guard let text else { throw failure("\(what()) is not UTF-8") }
        offset += count
        return text
    }

    /// Passes over bytes that the file has.
    mutating func skip(byteCount: Int) { offset += byteCount }

    /// Passes over `count` strings, each checked as one that is read.
    mutating func skipStrings(count: Int, of owner: @autoclosure () -> String) throws(FileError) {
        var passedCount = 0
        while passedCount < count {
            let passed = wholeStrings(limit: count - passedCount)
            passedCount += passed.count
            offset += passed.byteCount
            guard passedCount < count else { return }
            // One that is cut off by the window's end, or one with a fault.
            try skipString("string \(passedCount) of \(owner())")
            passedCount += 1
        }
    }

    /// How many of the next strings lie in the window as a whole and have no fault, and their bytes.
    private func wholeStrings(limit: Int) -> (count: Int, byteCount: Int) {
        let start = offset - windowStart
        guard start < window.count else { return (0, 0) }
        return window.withUnsafeBytes { bytes in
            var (position, count) = (start, 0)
            while count < limit, position + 8 <= bytes.count {
                let stored = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                let length = order == .little ? UInt64(littleEndian: stored) : UInt64(bigEndian: stored)
                guard length <= UInt64(bytes.count - position - 8) else { break }
                let end = position + 8 + Int(length)
                guard isUTF8(UnsafeRawBufferPointer(rebasing: bytes[position + 8..<end])) else { break }
                position = end
                count += 1
            }
            return (count, position - start)
        }
    }

    /// Passes over one string.
    private mutating func skipString(_ what: @autoclosure () -> String) throws(FileError) {
        let start = offset
        let count = try length(what())
        guard count <= Self.itemByteCountLimit else {
            throw failure("\(what()) has \(count) bytes, but at most \(Self.itemByteCountLimit) are read", at: start)
        }
        try provide(count, what())
        let bytes = offset - windowStart..<offset - windowStart + count
        guard window.withUnsafeBytes({ isUTF8(UnsafeRawBufferPointer(rebasing: $0[bytes])) }) else {
            throw failure("\(what()) is not UTF-8")
        }
        offset += count
    }

    /// The length before a string, known to be in the file.
    private mutating func length(_ what: @autoclosure () -> String) throws(FileError) -> Int {
        let start = offset
        let length = try integer(UInt64.self, "the length of \(what())")
        guard length <= UInt64(remainingCount) else {
            throw failure("\(what()) has \(length) bytes, but \(remainingCount) follow", at: start, hint: Self.hint(missing: length))
        }
        return Int(length)
    }

    /// Has the window hold the next `count` bytes.
    private mutating func provide(_ count: Int, _ what: @autoclosure () -> String) throws(FileError) {
        guard count <= remainingCount else {
            let verb = remainingCount == 1 ? "is" : "are"
            throw failure("\(what()) takes \(count) bytes, but \(remainingCount) \(verb) left", hint: Self.cutHint)
        }
        guard offset + count > windowStart + window.count, let file else { return }
        window = try file.bytes(atOffset: offset, count: min(remainingCount, max(count, Self.windowByteCount)))
        windowStart = offset
    }
}
