package import ByteIO

extension SafetensorsFile {
    /// Where the eight digits of a header's own checksum stand in the bytes before the data section: `"KEY":"01234567"`.
    package static func headerChecksumRange(in header: [UInt8], key: String) -> Range<Int>? {
        let spelling = Array("\"\(key)\":\"".utf8)
        var start = 8
        while start + spelling.count + 8 <= header.count {
            if header[start] == spelling[0], header[start..<start + spelling.count].elementsEqual(spelling) {
                return start + spelling.count..<start + spelling.count + 8
            }
            start += 1
        }
        return nil
    }

    /// Compares the CRC-32C of everything before the data section, its own eight digits taken as zeros, with those digits.
    ///
    /// - Parameters:
    ///   - key: of the metadata, as `SafetensorsWriter.finish` was given it.
    ///   - stated: the value of the key.
    package func checkHeader(key: String, stated: String, hint: String) throws(FileError) -> CRC32C {
        var header = try file.bytes(atOffset: 0, count: dataStart)
        guard let checksum = CRC32C(hexadecimal: stated) else {
            throw FileError(
                path, at: "__metadata__", "'\(key)' is '\(stated)', but 8 lower-case hexadecimal digits are expected", hint: hint)
        }
        guard let range = Self.headerChecksumRange(in: header, key: key) else {
            throw FileError(path, at: "__metadata__", "'\(key)' does not stand in the header as writers spell it", hint: hint)
        }
        header.replaceSubrange(range, with: Array(repeating: UInt8(ascii: "0"), count: 8))
        let computed = CRC32C(of: header)
        guard computed == checksum else {
            throw FileError(path, at: "header", "its checksum is \(computed), but '\(key)' says \(checksum)", hint: hint)
        }
        return checksum
    }
}
