import ByteIO
import JSONText

/// The records of a zip archive whose content is stored as it is: what PyTorch writes since version 1.6.
///
/// Sizes and checksums of local headers are zero there, so everything but the start of a record is read from the central directory:
///
///     record: local header, 30 bytes | name | extra field | content          ...          central directory | end, 22 bytes
///
/// Source: PKWARE's APPNOTE.TXT, 4.3. Checksums are not compared: PyTorch can be told to write wrong ones, and reads them.
struct ZipDirectory {
    struct Record {
        let name: String
        /// Of its content in the file.
        let range: Range<Int>
        /// 0: as it is.
        let method: UInt16
    }

    let records: [Record]

    /// Far more than any model has.
    private static let byteCountLimit = 1 << 26
    private static let cutHint = "the download is incomplete or damaged; fetch the file again"

    init(_ file: InputFile) throws(FileError) {
        let end = try EndRecord(file)
        guard end.byteCount <= Self.byteCountLimit else {
            throw FileError(
                file.path, at: "byte \(end.offset)",
                "the archive's directory is \(end.byteCount) bytes long, but at most \(Self.byteCountLimit) are read")
        }
        let bytes = try file.bytes(atOffset: end.offset, count: end.byteCount)
        var reader = ByteReader(bytes, origin: end.offset)
        var records: [Record] = []
        do throws(ByteReader.Failure) {
            for _ in 0..<end.recordCount {
                let entry = try DirectoryEntry(&reader)
                let range = entry.offset..<entry.offset + entry.byteCount
                records.append(Record(name: entry.name, range: range, method: entry.method))
            }
        } catch { throw error.inFile(file.path, hint: Self.cutHint) }
        guard reader.remainingCount == 0 else {
            throw FileError(
                file.path, at: "byte \(reader.offset)",
                "\(reader.remainingCount) bytes follow the \(end.recordCount) entries of the directory",
                hint: Self.cutHint)
        }
        self.records = try Self.located(records, before: end.offset, file)
        try checkNames(file)
    }

    /// - Parameter records: with the places of their local headers.
    /// - Returns: with the places of their contents, behind local headers that say how long they are.
    private static func located(
        _ records: [Record], before end: Int, _ file: InputFile
    ) throws(FileError) -> [Record] {
        var located: [Record] = []
        var taken: [(range: Range<Int>, name: String)] = []
        for record in records {
            let entry = record.range
            let header = try file.bytes(atOffset: entry.lowerBound, count: localHeaderByteCount)
            guard header.starts(with: [0x50, 0x4b, 3, 4]) else {
                throw FileError(
                    file.path, at: "byte \(entry.lowerBound)", "no record begins here, as the directory says of '\(record.name)'")
            }
            let start = entry.lowerBound + localHeaderByteCount + Int(header.short(at: 26)) + Int(header.short(at: 28))
            guard entry.count <= end - min(start, end), start <= end else {
                throw FileError(
                    file.path, at: "record '\(record.name)'",
                    "has \(entry.count) bytes from byte \(start) on, but the directory begins at \(end)",
                    hint: cutHint)
            }
            located.append(Record(name: record.name, range: start..<start + entry.count, method: record.method))
            taken.append((entry.lowerBound..<start + entry.count, record.name))
        }
        taken.sort { $0.range.lowerBound < $1.range.lowerBound }
        for (one, next) in zip(taken, taken.dropFirst()) where next.range.lowerBound < one.range.upperBound {
            throw FileError(
                file.path, at: "record '\(next.name)'",
                "begins at byte \(next.range.lowerBound), inside of '\(one.name)', which ends at \(one.range.upperBound)",
                hint: "do not use this file: it was made to be read in two ways")
        }
        return located
    }

    private static let localHeaderByteCount = 30

    private func checkNames(_ file: InputFile) throws(FileError) {
        var seen: Set<ByteKey> = []
        for record in records where !seen.insert(ByteKey(record.name)).inserted {
            throw FileError(file.path, at: "record '\(record.name)'", "is in the archive twice")
        }
    }
}

/// Where the central directory lies.
private struct EndRecord {
    let offset: Int
    let byteCount: Int
    let recordCount: Int

    private static let byteCountOfEnd = 22, byteCountOfLocator = 20, byteCountOfWideEnd = 56

    init(_ file: InputFile) throws(FileError) {
        let count = min(file.byteCount, Self.byteCountOfEnd + 0xffff)
        let tail = try file.bytes(atOffset: file.byteCount - count, count: count)
        let place = stride(from: tail.count - Self.byteCountOfEnd, through: 0, by: -1).first {
            tail[$0...].starts(with: [0x50, 0x4b, 5, 6]) && $0 + Self.byteCountOfEnd + Int(tail.short(at: $0 + 20)) == tail.count
        }
        guard let place else {
            throw FileError(
                file.path, "begins like a zip archive, but has no directory at its end",
                hint: "the download is incomplete; fetch the file again")
        }
        let end = file.byteCount - count + place
        var values = (
            count: Int(tail.short(at: place + 10)), byteCount: Int(tail.word(at: place + 12)), offset: Int(tail.word(at: place + 16))
        )
        // Above 4 GB, or 65535 records, another end stands before this one.
        if place >= Self.byteCountOfLocator, tail[(place - Self.byteCountOfLocator)...].starts(with: [0x50, 0x4b, 6, 7]) {
            let wide = tail.long(at: place - Self.byteCountOfLocator + 8)
            guard let start = Int(exactly: wide), start <= file.byteCount - Self.byteCountOfWideEnd else {
                throw FileError(
                    file.path, at: "byte \(end)", "the archive's end stands at byte \(wide), but the file has \(file.byteCount)")
            }
            let bytes = try file.bytes(atOffset: start, count: Self.byteCountOfWideEnd)
            guard bytes.starts(with: [0x50, 0x4b, 6, 6]), let count = Int(exactly: bytes.long(at: 32)),
                let byteCount = Int(exactly: bytes.long(at: 40)), let offset = Int(exactly: bytes.long(at: 48))
            else { throw FileError(file.path, at: "byte \(start)", "the end of a large zip archive should stand here, and does not") }
            values = (count, byteCount, offset)
        }
        guard values.offset <= end, values.byteCount <= end - values.offset else {
            throw FileError(
                file.path, at: "byte \(end)",
                "the archive's directory has \(values.byteCount) bytes from byte \(values.offset) on, but ends before byte \(end)",
                hint: "the download is incomplete or damaged; fetch the file again")
        }
        (offset, byteCount, recordCount) = (values.offset, values.byteCount, values.count)
    }
}

/// One entry of the central directory.
private struct DirectoryEntry {
    let name: String
    let offset: Int
    /// Of what is stored.
    let byteCount: Int
    let method: UInt16

    init(_ reader: inout ByteReader) throws(ByteReader.Failure) {
        let start = reader.offset
        let bytes = Array(try reader.run(count: 46))
        guard bytes.starts(with: [0x50, 0x4b, 1, 2]) else {
            throw ByteReader.Failure(offset: start, "an entry of the archive's directory should begin here")
        }
        guard let name = String(validating: try reader.run(count: Int(bytes.short(at: 28))), as: UTF8.self) else {
            throw ByteReader.Failure(offset: start, "the name of a record is no UTF-8")
        }
        let extra = try reader.run(count: Int(bytes.short(at: 30)))
        _ = try reader.run(count: Int(bytes.short(at: 32)))
        guard bytes.short(at: 8) & 1 == 0 else {
            throw ByteReader.Failure(offset: start, "record '\(name)' is encrypted, which PyTorch never writes")
        }
        method = bytes.short(at: 10)
        var wide = Self.wideNumbers(extra)[...]
        func number(_ word: UInt32) -> UInt64? { word == .max ? wide.popFirst() : UInt64(word) }
        // In this order, those of which the entry says that they do not fit.
        let numbers = [number(bytes.word(at: 24)), number(bytes.word(at: 20)), number(bytes.word(at: 42))].map {
            $0.flatMap(Int.init(exactly:))
        }
        guard let size = numbers[0], let stored = numbers[1], let offset = numbers[2], stored <= Int.max - offset else {
            throw ByteReader.Failure(offset: start, "sizes and place of record '\(name)' are out of range")
        }
        guard method != 0 || size == stored else {
            throw ByteReader.Failure(offset: start, "record '\(name)' has \(size) bytes, but \(stored) of them in the archive")
        }
        self.name = name
        self.offset = offset
        byteCount = stored
    }

    private static func wideNumbers(_ extra: ArraySlice<UInt8>) -> [UInt64] {
        let extra = Array(extra)
        var place = 0
        while place + 4 <= extra.count {
            let count = Int(extra.short(at: place + 2))
            guard extra.short(at: place) == 1 else {
                place += 4 + count
                continue
            }
            return stride(from: place + 4, through: min(extra.count, place + 4 + count) - 8, by: 8).map { extra.long(at: $0) }
        }
        return []
    }
}

/// Little-endian numbers, which are known to be there.
extension [UInt8] {
    fileprivate func short(at place: Int) -> UInt16 { UInt16(self[place]) | UInt16(self[place + 1]) << 8 }

    fileprivate func word(at place: Int) -> UInt32 { UInt32(short(at: place)) | UInt32(short(at: place + 2)) << 16 }

    fileprivate func long(at place: Int) -> UInt64 { UInt64(word(at: place)) | UInt64(word(at: place + 4)) << 32 }
}
