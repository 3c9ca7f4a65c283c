import Adapters
import ByteIO
import Checkpoints
import JSONText
package import Parts
import Quantization
import Streaming
import TensorCore

/// What making a part of a merge came to.
package struct MergePartReport: Sendable {
    package let part: ReportPart
    package let wasPresent: Bool
    /// Items of the plan that the part does, of so many.
    package let itemCount: Int
    package let allCount: Int
    /// Of the checkpoint that is read completely.
    package let inputByteCount: Int
    /// Bytes of the part.
    package let byteCount: Int
}

extension MergePlan {
    /// What one of several parts does: items.
    package func share(of part: PartNumber) -> Partition.Share {
        // Of items whose values come from elsewhere, the base is read for its checksum, and for what undoing leads back to.
        let units = items.map { item in
            item.origin == readOrigin ? item.tensor.parts : readOrigin == .base ? item.previous.map(\.parts) ?? [] : []
        }
        return Partition(units: units, of: readCheckpoint.source, count: part.count).share(of: part)
    }
}

extension Merge {
    /// Writes one part, beside where the output at `path` will be. One that is there already, and the same, is left as it is.
    ///
    /// - Parameters:
    ///   - isFolder: of a dense output.
    ///   - replaces: what is there is written again, whatever it is.
    package func run(_ part: PartNumber, path: String, isFolder: Bool, replaces: Bool) throws -> MergePartReport {
        precondition(flips == nil && calibrated == nil, "calibrations go through the whole model")
        let (places, stored) = try outline(isFolder: isFolder)
        let share = plan.share(of: part)
        let own = share.units.flatMap { Self.stored(places[$0]) }
        let task = try task(part)
        let (made, wasPresent) = try task.run(
            output: path, replaces: replaces, payload: own.map { stored[$0] }, streamLimit: plan.keepsUndo ? undoLimit : 0,
            inputs: plan.adapters.flatMap(\.adapter.files)
        ) { writer in
            let undo = plan.keepsUndo ? UndoRecordWriter { try writer.writeStreamed($0, atByteOffset: $1) } : nil
            let sink = PartSink(writer, stored: own)
            let run = MergeRun(plan, places: places, sink: sink, undo: undo, resources: resources)
            let result = try run.run(only: share.units)
            let checksums = try run.pass.finish(share.sources)
            let notes = try notes(result, places, sink, stream: writer)
            return share.units.map { ($0, (notes[$0] ?? MergeNote()).document) }
                + zip(share.sources, checksums).map { (plan.items.count + $0, .string($1.description)) }
        }
        return MergePartReport(
            part: made, wasPresent: wasPresent, itemCount: share.units.count, allCount: plan.items.count,
            inputByteCount: share.inputByteCount, byteCount: made.inputFile.byteCount)
    }

    /// Of each item its place among all stored tensors, and these.
    private func outline(isFolder: Bool) throws -> ([QNFPlan.Place], [TensorInfo]) {
        guard case .qnf = plan.form else { return try densePlaces(isFolder: isFolder) }
        let layout = try MergeLayout.qnf(plan, files: [], undoRecord: nil)
        return (layout.places, layout.stored)
    }

    /// One that says what all parts of this merge have in common.
    private func task(_ part: PartNumber) throws -> ReportTask {
        let adapters = zip(plan.adapters, try MergeStep.fingerprints(plan.adapters)).map { weighted, fingerprint in
            "\(FilePath.name(of: weighted.adapter.path))@\(weighted.weight) (\(fingerprint))"
        }
        return try ReportTask(
            part, tool: "qmerge \(toolVersion)", command: "merge", options: options + adapters,
            itemCount: plan.items.count + plan.readCheckpoint.source.tensors.count,
            of: [plan.base] + (plan.reference.map { [$0] } ?? []))
    }

    /// - Throws: where the parts are of another merge.
    package func checkParts() throws {
        guard let parts, let first = PartNumber(1, of: parts.count) else { return }
        try parts.check(try task(first).frame)
    }

    private func notes(
        _ result: MergeRun.Result, _ places: [QNFPlan.Place], _ sink: PartSink, stream: PayloadWriter
    ) throws -> [Int: MergeNote] {
        var notes: [Int: MergeNote] = [:]
        for found in result.notes {
            var note = MergeNote()
            note.overflowCount = found.overflowCount
            note.finding = found.finding
            for tensor in found.undone { note.undone.append((tensor, try checksum(of: tensor.extent, stream))) }
            if case .quantized = plan.items[found.item].outcome, let state = result.states[found.item] {
                note.state = (state.scalarType, state.nested?.offset.bitPattern)
            }
            note.checksums = Self.stored(places[found.item]).map { sink.checksum(ofStored: $0) }
            notes[found.item] = note
        }
        return notes
    }

    private func checksum(of range: Range<Int>, _ stream: PayloadWriter) throws -> CRC32C {
        var checksum = CRC32C()
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
            checksum.append(try stream.streamed(start..<min(start + 1 << 20, range.upperBound)))
        }
        return checksum
    }

    /// Stored tensors of an item that are written as such; the quant state comes with the header.
    static func stored(_ place: QNFPlan.Place) -> [Int] {
        switch place {
        case .plain(let stored): [stored]
        case .quantized(let parts): [parts.codes] + QuantizedTensor.Part.allCases.compactMap { parts.index(of: $0) }
        }
    }
}

/// Takes the tensors of a share into a part.
private struct PartSink: MergeSink {
    private let writer: PayloadWriter
    /// Of each stored tensor of the share, its place in the part.
    private let places: [Int: Int]

    init(_ writer: PayloadWriter, stored: [Int]) {
        self.writer = writer
        places = Dictionary(uniqueKeysWithValues: stored.enumerated().map { ($1, $0) })
    }

    private func place(_ index: Int) -> Int {
        guard let place = places[index] else { preconditionFailure("a part writes what is of its share") }
        return place
    }

    func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        try writer.write(bytes, payload: place(index), atByteOffset: offset)
    }

    func read(stored index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try writer.read(payload: place(index), atByteOffset: offset, into: buffer)
    }

    func checksum(ofStored index: Int) -> CRC32C { writer.checksum(ofPayload: place(index)) }
}
