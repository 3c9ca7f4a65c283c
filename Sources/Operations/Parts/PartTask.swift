package import ByteIO
package import Checkpoints
import SafetensorsFormat
import TensorCore

/// What making a part came to.
package struct PartReport: Sendable {
    package let path: String
    package let part: PartNumber
    /// Whether it was there already, whole, and nothing was done.
    package let wasPresent: Bool
    /// Tensors of the output that it holds, of so many.
    package let tensorCount: Int
    package let allCount: Int
    package let byteCount: Int
    package let results: PartResults
}

/// What becomes of a part that is there already.
package enum ExistingPart: Sendable {
    /// It is left as it is where it is the same: tasks are run again by schedulers, and two may run at once. Anything else is refused.
    case keep
    /// Likewise, but anything else is written again.
    case keepOrReplace
    /// It is written again, whatever it is.
    case replace
}

/// One part of a conversion, to be made.
package struct PartTask: Sendable {
    package let part: PartNumber
    package let share: Partition.Share
    private let frame: PartFrame
    private let lines: [UInt8]
    private let conversion: String
    private let tensors: [HeldTensor]
    private let constants: [RunConstants]
    private let checkpoint: Checkpoint

    /// - Parameters:
    ///   - share: of the plan's units.
    ///   - tensors: of the frame, what those units write; and those that the first part does.
    ///   - constants: of runs of weights among them.
    package init(
        _ part: PartNumber, _ share: Partition.Share, of frame: PartFrame, tensors: [HeldTensor], constants: [RunConstants] = [],
        _ checkpoint: Checkpoint
    ) {
        self.part = part
        self.share = share
        self.frame = frame
        self.tensors = tensors.sorted { $0.index < $1.index }
        self.constants = constants
        self.checkpoint = checkpoint
        lines = frame.lines
        var hash = SHA256()
        hash.append(lines)
        conversion = "sha256:" + hash.finish()
    }

    /// Writes the part beside where `output` will be, complete or not at all.
    ///
    /// - Parameters:
    ///   - existing: what becomes of what is there already.
    ///   - pieces: whole pieces of the output; asked for of the first part alone.
    ///   - body: writes the tensors; returns what it found, the absmax of runs that have constants, and of the source the checksums of
    ///     the share's tensors, then of its runs.
    package func run(
        output path: String, existing: ExistingPart, pieces: () throws -> [(piece: PartWriter.Piece, bytes: [UInt8])],
        _ body: (PartWriter) throws -> (results: PartResults, absmax: [[Float]], checksums: [CRC32C])
    ) throws -> PartReport {
        let place = part.path(ofOutput: path)
        switch existing {
        case .keep: if let report = try present(at: place) { return report }
        case .keepOrReplace: if let report = try? present(at: place) { return report }
        case .replace: break
        }
        let output = try AtomicOutput(destination: place, replaces: true, inputs: checkpoint.inputFiles)
        let file = try output.file()
        let writer = try PartWriter(
            frame, lines: lines, conversion: conversion, part, tensors: tensors, constants: constants,
            pieces: part.isFirst ? try pieces() : [], file: file)
        let (results, absmax, checksums) = try body(writer)
        // Where the source keeps no checksums, an export finds none.
        let runs = zip(share.runs, checksums.dropFirst(share.sources.count)).map { run, checksum in
            let info = checkpoint.source.tensors[run.source]
            return PartRecord.SourceRun(
                index: run.source, name: info.name, bytes: run.bytes, checksum: checksum, byteCount: info.byteCount,
                stated: checkpoint.storedChecksum(ofTensor: run.source))
        }
        try writer.finish(
            results, absmax: absmax, sources: zip(share.sources, checksums).map { PartRecord.Row(index: $0, checksum: $1) },
            sourceRuns: runs)
        try output.commit([file])
        return report(at: place, byteCount: try InputFile(path: place).byteCount, results, wasPresent: false)
    }

    /// What is known of a part that is there already; nil where nothing is.
    ///
    /// - Throws: where something else is there.
    private func present(at place: String) throws -> PartReport? {
        guard FilePath.kind(of: place) != .missing else { return nil }
        let found: PartFile
        do { found = try PartFile(path: place) } catch {
            throw FileError(place, "exists already, and is no part that could be kept: \(error.message)", hint: "`replaces` replaces it")
        }
        guard found.part == part, found.conversion == conversion else {
            throw FileError(
                place, "exists already, and is a part of another conversion: \(found.difference(from: frame, part))",
                hint: "`replaces` replaces it")
        }
        return report(at: place, byteCount: found.file.file.byteCount, found.record.results, wasPresent: true)
    }

    private func report(at place: String, byteCount: Int, _ results: PartResults, wasPresent: Bool) -> PartReport {
        PartReport(
            path: place, part: part, wasPresent: wasPresent, tensorCount: tensors.count, allCount: frame.tensors.count,
            byteCount: byteCount, results: results)
    }
}
