package import ByteIO
package import Calibration
package import Checkpoints
import JSONText
import Quantization
package import Streaming
import TensorCore

/// Writes a .qnf once more with other constants and vectors; codes, everything else, and the order of all are as they were.
package struct ConstantsRewrite {
    private let checkpoint: Checkpoint
    private let tuned: TunedConstants
    private let layout: QNFPlan
    private let lineage: JSONValue

    /// - Parameters:
    ///   - checkpoint: a .qnf whose lineage ends with the step that chose its codes.
    ///   - note: what that step is to say of the distillation.
    /// - Throws: where what is tuned is not in the file, or of other sizes there.
    package init(_ checkpoint: Checkpoint, _ tuned: TunedConstants, note: DistillationNote) throws(FileError) {
        guard let metadata = checkpoint.metadata, var steps = metadata.lineage.array, var last = steps.popLast()?.object else {
            throw FileError(checkpoint.path, "is no .qnf that says how it was made")
        }
        last["distillation"] = note.document
        lineage = .array(steps + [.object(last)])
        self.checkpoint = checkpoint
        self.tuned = tuned
        let planned = try checkpoint.tensors.map { tensor throws(FileError) in
            PlannedTensor(name: tensor.name, form: try Self.form(of: tensor, checkpoint), orientation: tensor.orientation)
        }
        do throws(QuantizationError) { layout = try QNFPlan(tensors: planned, files: checkpoint.files) } catch {
            throw FileError(checkpoint.path, error.message)
        }
        try check()
    }

    private static func form(of tensor: LogicalTensor, _ checkpoint: Checkpoint) throws(FileError) -> PlannedTensor.Form {
        switch tensor.storage {
        case .plain(let index): return .plain(checkpoint.source.tensors[index])
        case .quantized(let quantized):
            guard let settings = quantized.state.settings else { break }
            return .quantized(settings, scalarType: quantized.state.scalarType, shape: quantized.state.shape)
        case .encoded: break
        }
        throw FileError(checkpoint.path, at: "tensor '\(tensor.name)'", "is no part of a .qnf")
    }

    /// Refuses what is not there, or has another size.
    private func check() throws(FileError) {
        let tensors = Dictionary(checkpoint.tensors.map { ($0.name, $0) }) { first, _ in first }
        for (name, absmax) in tuned.absmax {
            guard let state = tensors[name]?.quantized?.state, state.blockCount == absmax.count else {
                throw FileError(checkpoint.path, at: "tensor '\(name)'", "is no 4-bit weight with \(absmax.count) constants")
            }
        }
        for (name, values) in tuned.vectors {
            guard let tensor = tensors[name], tensor.plainIndex != nil, tensor.elementCount == values.count else {
                throw FileError(checkpoint.path, at: "tensor '\(name)'", "is no dense tensor of \(values.count) elements")
            }
        }
    }

    /// Writes the file, complete or not at all.
    ///
    /// - Parameters:
    ///   - output: opened before.
    ///   - resources: are told of the bytes that are read, `checkpoint.storedByteCount` in all.
    /// - Returns: the fingerprint of the weights, and the length of the file.
    package func run(into output: consuming AtomicOutput, _ resources: Resources) throws -> (fingerprint: Fingerprint, byteCount: Int) {
        guard let metadata = checkpoint.metadata else { preconditionFailure("a .qnf has its metadata") }
        let file = try output.file(), pass = SourcePass(checkpoint, resources: resources)
        let writer = try QNFWriter(plan: layout, file: file, settings: metadata.settings, lineagePlaceholder: lineage)
        var states: [QuantState?] = []
        for (tensor, place) in zip(checkpoint.tensors, layout.places) { states.append(try write(tensor, to: place, writer, pass)) }
        try writer.writeFiles()
        _ = try pass.finish()
        let fingerprint = try writer.finish(states: states, lineage: lineage)
        let path = output.destination
        try output.commit([file])
        return (fingerprint, try InputFile(path: path).byteCount)
    }

    /// Returns the quant state of a 4-bit weight.
    private func write(
        _ tensor: LogicalTensor, to place: QNFPlan.Place, _ writer: QNFWriter, _ pass: SourcePass
    ) throws -> QuantState? {
        switch (tensor.storage, place) {
        case (.plain(let index), .plain(let stored)):
            guard let values = tuned.vectors[tensor.name] else {
                try copy(index, to: stored, writer, pass)
                return nil
            }
            var bytes = [UInt8](repeating: 0, count: checkpoint.source.tensors[index].byteCount)
            var span = bytes.mutableSpan
            var narrowed = span.mutableBytes
            FloatConversion.narrow(values.span, to: tensor.scalarType, into: &narrowed)
            try writer.write(bytes, stored: stored)
            return nil
        case (.quantized(let quantized), .quantized(let parts)):
            try copy(quantized.codes, to: parts.codes, writer, pass)
            guard let absmax = tuned.absmax[tensor.name], let settings = quantized.state.settings else {
                for part in QuantizedTensor.Part.allCases {
                    guard let index = quantized.index(of: part), let stored = parts.index(of: part) else { continue }
                    try copy(index, to: stored, writer, pass)
                }
                return quantized.state
            }
            let constants = QuantizedConstants(absmax, settings)
            for (part, bytes) in constants.parts {
                guard let stored = parts.index(of: part) else { preconditionFailure("the plan has a place for '\(part.rawValue)'") }
                try writer.write(bytes, stored: stored)
            }
            return try QuantState(
                settings: settings, scalarType: quantized.state.scalarType, shape: quantized.state.shape, offset: constants.offset)
        default: preconditionFailure("the plan was made of the tensors")
        }
    }

    private func copy(_ index: Int, to stored: Int, _ writer: QNFWriter, _ pass: SourcePass) throws {
        let ranges = pass.byteRanges(ofTensor: index)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: ranges.map(\.count).max() ?? 0, alignment: 64)
        defer { buffer.deallocate() }
        for range in ranges {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
            try pass.read(tensor: index, atByteOffset: range.lowerBound, into: piece)
            try writer.write(UnsafeRawBufferPointer(piece), stored: stored, atByteOffset: range.lowerBound)
        }
    }
}
