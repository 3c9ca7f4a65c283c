import ByteIO
import JSONText

/// Lines of JSON, one value each: a table of 100,000 rows is never in memory as values.
struct LineWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ value: JSONValue) {
        bytes += Array(value.text(.compact).utf8)
        bytes.append(UInt8(ascii: "\n"))
    }
}

/// The same, read from front to back.
struct LineReader {
    private let bytes: [UInt8]
    private let path: String
    private let title: String
    private var position = 0
    private var number = 0

    init(_ bytes: [UInt8], path: String, of title: String) {
        self.bytes = bytes
        self.path = path
        self.title = title
    }

    mutating func next() throws(FileError) -> JSONValue {
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw damage("ends after line \(number)") }
        number += 1
        do throws(JSONError) {
            let value = try JSONValue(parsing: Array(bytes[position..<end]))
            position = end + 1
            return value
        } catch {
            throw damage("is no JSON in line \(number): \(error.description)")
        }
    }

    var isAtEnd: Bool { position == bytes.count }

    func expectEnd() throws(FileError) {
        guard position == bytes.count else { throw damage("goes on after line \(number), which should be the last") }
    }

    /// Of the line that was read last.
    func damage() -> FileError { damage("has something else than expected in line \(number)") }

    private func damage(_ message: String) -> FileError {
        FileError(path, "\(title) \(message)", hint: "the part is damaged; remove it and make it again")
    }
}
