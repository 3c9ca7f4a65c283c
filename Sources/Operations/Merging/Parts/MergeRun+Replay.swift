import ByteIO
import Checkpoints
import JSONText
import Parallelism
import Parts
import Quantization
import Streaming
import TensorCore

extension MergeRun {
    private static let hint = "the part is damaged; remove it and make it again"

    /// Does what a run does with what parts have found: the same bytes to the sink, the same streams to the undo record in the same
    /// order, and the same sums.
    ///
    /// - Parameter stored: what the sink takes.
    /// - Returns: also the checksums of the checkpoint that is read completely.
    func replay(_ parts: MergeParts, stored: [TensorInfo]) throws -> (Result, checksums: [CRC32C]) {
        let set = parts.set
        let streamByteCounts = set.parts.map { $0.stream?.info.byteCount ?? 0 }
        let notes = try set.found { index, document -> MergeNote? in
            guard index < plan.items.count else { return MergeNote() }
            return MergeNote(document: document, streamByteCount: streamByteCounts[set.owners[index]])
        }
        let checksums = try set.found { index, document -> CRC32C? in
            index < plan.items.count ? CRC32C() : document.string.flatMap { CRC32C(hexadecimal: $0) }
        }
        try copyTensors(parts, notes, stored)
        var result = Result(states: Array(repeating: nil, count: plan.items.count))
        // As a run goes: what is copied first.
        for isCopied in [true, false] {
            for (index, item) in plan.items.enumerated() {
                if case .copy = item.outcome { if !isCopied { continue } } else if isCopied { continue }
                try take(notes[index], of: item, at: index, set, &result)
            }
        }
        result.rows.sort { NaturalOrder.precedes($0.name, $1.name) }
        return (result, Array(checksums[plan.items.count...]))
    }

    private func take(_ note: MergeNote, of item: MergePlan.Item, at index: Int, _ set: ReportSet, _ result: inout Result) throws {
        let part = set.parts[set.owners[index]]
        if case .copy = item.outcome { result.states[index] = item.tensor.quantized?.state }
        if case .quantized(let state, let settings) = item.outcome {
            guard let stated = note.state else { throw set.damage(item: index) }
            do throws(QuantizationError) {
                result.states[index] = try QuantState(
                    settings: settings, scalarType: stated.type, shape: state.shape,
                    offset: stated.offset.map { Float(bitPattern: $0) })
            } catch { throw FileError(part.path, at: "tensor '\(item.name)'", error.message, hint: Self.hint) }
        }
        if note.overflowCount > 0 { result.overflows.append((item.name, note.overflowCount)) }
        for (tensor, checksum) in note.undone { try copy(tensor, checksum, from: part, &result) }
        guard let finding = note.finding else { return }
        guard let change = item.change else { throw set.damage(item: index) }
        add(
            item.name, change, typeName: finding.typeName, finding.sums, elementCount: finding.elementCount,
            changedCount: finding.changedCount, &result)
    }

    /// What undoes a tensor, into the record.
    private func copy(_ tensor: UndoDirectory.Tensor, _ checksum: CRC32C, from part: ReportPart, _ result: inout Result) throws {
        guard let undo, let stream = part.stream else {
            throw FileError(part.path, "tells how to undo '\(tensor.name)', which is not kept", hint: Self.hint)
        }
        var place: Int?
        var found = CRC32C()
        let extent = tensor.extent
        for start in stride(from: extent.lowerBound, to: extent.upperBound, by: 1 << 20) {
            let bytes = try [UInt8](count: min(1 << 20, extent.upperBound - start)) { buffer throws(FileError) in
                try part.read(payload: stream.index, atByteOffset: start, into: buffer)
            }
            found.append(bytes)
            let offset = try undo.append(stream: bytes)
            place = place ?? offset
        }
        guard found == checksum else {
            throw FileError(
                part.path, at: "what undoes '\(tensor.name)'", "its checksum is \(found), but \(checksum) was written", hint: Self.hint)
        }
        result.undone.append(tensor.moved(by: (place ?? 0) - extent.lowerBound))
    }

    // MARK: - Tensors

    private func copyTensors(_ parts: MergeParts, _ notes: [MergeNote], _ stored: [TensorInfo]) throws {
        var copies: [(part: ReportPart, payload: Int, stored: Int, checksum: CRC32C)] = []
        for (index, note) in notes.prefix(plan.items.count).enumerated() {
            let part = parts.set.parts[parts.set.owners[index]], places = Merge.stored(self.places[index])
            guard places.count == note.checksums.count else { throw parts.set.damage(item: index) }
            for (place, checksum) in zip(places, note.checksums) {
                let info = stored[place]
                guard let found = part.payload(info.name), found.info.byteCount == info.byteCount else {
                    throw FileError(
                        part.path, at: "tensor '\(info.name)'", "is missing or has another length than \(info.byteCount) bytes",
                        hint: Self.hint)
                }
                copies.append((part, found.index, place, checksum))
            }
        }
        try resources.pool.forEach(count: copies.count) { [copies] number, worker in
            let copy = copies[number], info = stored[copy.stored]
            var checksum = CRC32C()
            for range in Chunks.ranges(count: info.byteCount, limit: 1 << 20, unit: 1) {
                let bytes = buffer(.stored, worker: worker, byteCount: range.count)
                try copy.part.read(payload: copy.payload, atByteOffset: range.lowerBound, into: bytes)
                checksum.append(UnsafeRawBufferPointer(bytes))
                try sink.write(UnsafeRawBufferPointer(bytes), stored: copy.stored, atByteOffset: range.lowerBound)
                resources.progress(range.count)
            }
            guard checksum == copy.checksum else {
                throw FileError(
                    copy.part.path, at: "tensor '\(info.name)'", "its checksum is \(checksum), but \(copy.checksum) was written",
                    hint: Self.hint)
            }
        }
    }
}
