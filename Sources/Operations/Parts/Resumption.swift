import ByteIO
import Checkpoints
package import Streaming

/// A run on one machine that goes on after it was killed: it makes parts, hidden beside the output, and joins them.
///
/// A part that is finished is on the disk with its checksums, so that not even a power failure takes it away; of the one in progress
/// nothing is kept. Until the join is done, the output takes its room twice.
package struct Resumption: Sendable {
    /// Of all parts, whatever the source: each costs a look at the whole plan.
    private static let countLimit = 100
    /// Bytes of the source that are lost at most where a run is killed, until parts would be too many.
    private static let partByteCount = 256 << 20

    private let output: String
    private let parts: [PartNumber]

    /// - Parameter inputByteCount: of the source; the same each time.
    package init(output: String, inputByteCount: Int) {
        self.output = output
        let count = min(max(1, inputByteCount / Self.partByteCount), Self.countLimit)
        parts = (1...count).compactMap { PartNumber($0, of: count) }
    }

    /// Makes the parts that are missing, and the output of all.
    ///
    /// - Parameters:
    ///   - replaces: what exists at the output.
    ///   - make: makes a part of the output at the path that it is given; one that is there already it may leave as it is.
    ///   - resources: for the join, given the bytes that it copies.
    /// - Returns: what was written, and how many of how many parts were there already.
    package func run(
        replaces: Bool, make: (PartNumber, String) throws -> PartReport, resources: (Int) throws -> Resources
    ) throws -> (report: JoinReport, frame: PartFrame, keptCount: Int, partCount: Int) {
        guard replaces || FilePath.kind(of: output) == .missing else {
            throw FileError(output, "exists already", hint: "`replaces` replaces it")
        }
        let folder = FilePath.folder(of: output), name = ".\(FilePath.name(of: output)).resume"
        let reports = try parts.map { try make($0, FilePath.join(folder, name)) }
        let set = try PartSet(paths: reports.map(\.path))
        let report = try PartJoin(set, resources: try resources(PartJoin.byteCount(of: set))).run(path: output, replaces: replaces)
        try Self.removeParts(of: name, in: folder)
        return (report, set.frame, reports.count { $0.wasPresent }, parts.count)
    }

    /// Also those of runs that cut another source of the same output into another number.
    private static func removeParts(of name: String, in folder: String) throws(FileError) {
        let prefix = Array("\(name).part-".utf8)
        for entry in try FilePath.entries(of: folder) where entry.utf8.starts(with: prefix) {
            let numbers = entry.utf8.dropFirst(prefix.count)
            let isPart = numbers.allSatisfy { (48...57).contains($0) || "-of".utf8.contains($0) }
            if isPart { TemporaryFiles.removeFile(FilePath.join(folder, entry)) }
        }
    }
}
