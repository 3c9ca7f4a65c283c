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

    /// Where the digits stand in this file. Pieces overlap by what could be cut between them.
    private func checksumRange(key: String, pieceByteCount: Int) throws(FileError) -> Range<Int>? {
        let overlap = key.utf8.count + 32
        for start in stride(from: 0, to: dataStart, by: pieceByteCount) {
            let piece = try file.bytes(atOffset: start, count: min(dataStart - start, pieceByteCount + overlap))
            // The length field is passed over; later pieces begin with bytes that belong to the one before.
            if let range = Self.headerChecksumRange(in: piece, key: key) { return start + range.lowerBound..<start + range.upperBound }
        }
        return nil
    }

    /// The CRC-32C of everything before the data section, with eight zeros at `range`.
    private func checksumOfHeader(zeroing range: Range<Int>, pieceByteCount: Int) throws(FileError) -> CRC32C {
        var checksum = CRC32C()
        for part in [0..<range.lowerBound, range.upperBound..<dataStart] {
            for start in stride(from: part.lowerBound, to: part.upperBound, by: pieceByteCount) {
                checksum.append(try file.bytes(atOffset: start, count: min(pieceByteCount, part.upperBound - start)))
            }
            if part.lowerBound == 0 { checksum.append(Array(repeating: UInt8(ascii: "0"), count: range.count)) }
        }
        return checksum
    }

    /// Compares the CRC-32C of everything before the data section, its own eight digits taken as zeros, with those digits.
    ///
    /// - Parameters:
    ///   - key: of the metadata, as `SafetensorsWriter.finish` was given it.
    ///   - stated: the value of the key.
    ///   - pieceByteCount: bytes that are read at a time: a header can have 100 MB.
    package func checkHeader(key: String, stated: String, hint: String, pieceByteCount: Int = 1 << 20) throws(FileError) -> CRC32C {
        guard let checksum = CRC32C(hexadecimal: stated) else {
            throw FileError(
                path, at: "__metadata__", "'\(key)' is '\(stated)', but 8 lower-case hexadecimal digits are expected", hint: hint)
        }
        guard let range = try checksumRange(key: key, pieceByteCount: pieceByteCount) else {
            throw FileError(path, at: "__metadata__", "'\(key)' does not stand in the header as writers spell it", hint: hint)
        }
        let computed = try checksumOfHeader(zeroing: range, pieceByteCount: pieceByteCount)
        guard computed == checksum else {
            throw FileError(path, at: "header", "its checksum is \(computed), but '\(key)' says \(checksum)", hint: hint)
        }
        return checksum
    }
}
