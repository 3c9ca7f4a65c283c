import ByteIO
import SafetensorsFormat
import Streaming
import TensorCore

/// All parts of one conversion: opened, and known to belong together.
package struct PartSet: Sendable {
    /// In order.
    package let parts: [PartFile]
    package let frame: PartFrame
    /// Of each tensor of the frame, what holds it: of one that was cut several parts, in order; of one that the join makes none.
    let owners: [[Owner]]
    /// What the join makes of runs of weights.
    let made: [JoinedConstants]

    struct Owner: Sendable {
        let part: Int
        let bytes: Range<Int>
        let checksum: CRC32C
    }

    /// - Throws: `OperationError` where parts are missing, by their numbers; `FileError` where one is none, is damaged, is of another
    ///   conversion or there twice.
    package init(paths: [String]) throws {
        var byNumber: [Int: PartFile] = [:]
        var first: PartFile?
        for path in paths {
            let part = try PartFile(path: path)
            if let first, part.conversion != first.conversion || part.part.count != first.part.count {
                throw FileError(
                    path, "does not belong to \(first.path): \(part.difference(from: first))",
                    hint: "parts are made of one source by one version of the tool with the same options")
            }
            if let other = byNumber[part.part.number] {
                throw FileError(path, "is part \(part.part), and so is \(other.path)", hint: "name each part once")
            }
            first = first ?? part
            byNumber[part.part.number] = part
        }
        guard let first else { throw OperationError("no parts are given") }
        let count = first.part.count
        try PartNumber.checkPresence(of: Set(byNumber.keys), count: count)
        let parts = (1...count).compactMap { byNumber[$0] }
        self.parts = parts
        frame = try parts[0].frame()
        made = try JoinedConstants.all(of: parts, frame)
        owners = try Self.owners(parts, frame, made: Set(made.flatMap { $0.tensors.map(\.index) }))
        try Self.checkSourceRuns(parts)
    }

    /// The checksum of a tensor that parts hold.
    func checksum(of index: Int) -> CRC32C { Self.joined(owners[index].map { ($0.bytes, $0.checksum) }) }

    private static func joined(_ runs: [(bytes: Range<Int>, checksum: CRC32C)]) -> CRC32C {
        var checksum = CRC32C()
        for run in runs { checksum.append(run.checksum, byteCount: run.bytes.count) }
        return checksum
    }

    /// Whether runs that begin and end like that are all of so many bytes, in order.
    private static func cover(_ runs: [Range<Int>], _ byteCount: Int) -> Bool {
        var end = 0
        for run in runs {
            guard run.lowerBound == end else { return false }
            end = run.upperBound
        }
        return !runs.isEmpty && end == byteCount
    }

    /// Every byte of every tensor is in one part, but of those that the join makes.
    private static func owners(_ parts: [PartFile], _ frame: PartFrame, made: Set<Int>) throws(FileError) -> [[Owner]] {
        var owners = [[Owner]](repeating: [], count: frame.tensors.count)
        for (number, part) in parts.enumerated() {
            for row in part.record.tensors {
                guard owners.indices.contains(row.index) else {
                    throw FileError(part.path, "holds tensor \(row.index), but the output has \(owners.count)", hint: Self.hint)
                }
                let tensor = frame.tensors[row.index], bytes = row.bytes ?? 0..<tensor.byteCount
                guard !made.contains(row.index), owners[row.index].allSatisfy({ !$0.bytes.overlaps(bytes) && !$0.bytes.isEmpty }) else {
                    throw FileError(part.path, at: "tensor '\(tensor.name)'", "another part holds it, too", hint: Self.hint)
                }
                guard let place = part.index(of: tensor.name), part.file.tensors[place].byteCount == bytes.count else {
                    throw FileError(
                        part.path, at: "tensor '\(tensor.name)'", "is missing or has another length than \(bytes.count) bytes",
                        hint: Self.hint)
                }
                owners[row.index].append(Owner(part: number, bytes: bytes, checksum: row.checksum))
            }
        }
        for index in owners.indices where !made.contains(index) {
            owners[index].sort { $0.bytes.lowerBound < $1.bytes.lowerBound }
            guard cover(owners[index].map(\.bytes), frame.tensors[index].byteCount) else {
                throw FileError(
                    parts[0].path, at: "tensor '\(frame.tensors[index].name)'",
                    owners[index].isEmpty ? "no part holds it" : "no part holds some of it", hint: Self.hint)
            }
        }
        return owners
    }

    /// A tensor of the source that several parts have read is all there, and what the source says of it holds.
    private static func checkSourceRuns(_ parts: [PartFile]) throws(FileError) {
        for (index, runs) in sourceRuns(parts) {
            let first = runs[0]
            guard cover(runs.map(\.bytes), first.byteCount),
                runs.allSatisfy({ $0.byteCount == first.byteCount && $0.stated == first.stated })
            else { throw FileError(parts[0].path, "parts have not read all of tensor \(index) of the source", hint: Self.hint) }
            let computed = joined(runs.map { ($0.bytes, $0.checksum) })
            if let stated = first.stated, stated != computed {
                throw FileError(
                    parts[0].path, "of the source's tensor '\(first.name)' the checksum is \(computed), but the source says \(stated)",
                    hint: "the source is damaged: fetch it again, and make the parts that read this tensor anew")
            }
        }
    }

    /// Of each tensor of which there are any, in order.
    private static func sourceRuns(_ parts: [PartFile]) -> [(index: Int, runs: [PartRecord.SourceRun])] {
        var runs: [Int: [PartRecord.SourceRun]] = [:]
        for part in parts { for run in part.record.sourceRuns { runs[run.index, default: []].append(run) } }
        return runs.sorted { $0.key < $1.key }.map { ($0, $1.sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }) }
    }

    /// What all parts have found.
    package var results: PartResults { parts.reduce(into: PartResults()) { $0.append($1.record.results) } }

    /// The checksum of each tensor of the source.
    func sourceChecksums(count: Int) throws(FileError) -> [CRC32C] {
        var checksums = [CRC32C?](repeating: nil, count: count)
        for part in parts {
            for row in part.record.sources {
                guard checksums.indices.contains(row.index), checksums[row.index] == nil else {
                    throw FileError(
                        part.path, "tells of tensor \(row.index) of the source, of which there are \(count), twice", hint: Self.hint)
                }
                checksums[row.index] = row.checksum
            }
        }
        for (index, runs) in Self.sourceRuns(parts) {
            guard checksums.indices.contains(index), checksums[index] == nil else {
                throw FileError(
                    parts[0].path, "parts tell of tensor \(index) of the source, of which there are \(count), twice", hint: Self.hint)
            }
            checksums[index] = Self.joined(runs.map { ($0.bytes, $0.checksum) })
        }
        if let index = checksums.firstIndex(where: { $0 == nil }) {
            throw FileError(parts[0].path, "no part has read tensor \(index) of the source", hint: Self.hint)
        }
        return checksums.compactMap { $0 }
    }

    private static let hint = "the parts are damaged; make them again"
}
