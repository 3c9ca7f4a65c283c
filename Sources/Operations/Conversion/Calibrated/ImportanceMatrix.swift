package import Architectures
package import ByteIO
package import Calibration
import GGUFFormat
import TensorCore

/// What a calibration saw of each linear layer's inputs, as llama.cpp's quantizers take it (their "imatrix"): sums of squares.
///
///     general.type           "imatrix"              NAME.in_sum2  f32 [1, in]   sum of x_j^2 over all tokens
///     imatrix.datasets       names of the texts     NAME.counts   f32 [1, 1]    tokens
///     imatrix.chunk_count    windows                NAME: blk.0.attn_q.weight
///     imatrix.chunk_size     tokens of a window
package final class ImportanceMatrix {
    private struct Entry {
        let name: String
        let sums: [Float]
        let tokenCount: Int
    }

    /// Names of weights in GGUF files, by module.
    private let names: [String: String]
    private var entries: [Entry] = []

    package init(_ model: ModelDescription) {
        names = Dictionary(model.linearWeights.map { ($0.module, GGUFSpelling.name($0.key, .weight)) }) { first, _ in first }
    }

    /// Takes what layers of a group saw: the tokens that were not held out.
    package func add(_ group: CalibrationPass.Group) {
        let count = group.moments.tokenCount
        let sums = group.moments.matrix.diagonal.map { Float($0 * Double(count)) }
        for module in group.modules {
            guard let name = names[module.name] else { continue }
            entries.append(Entry(name: name, sums: sums, tokenCount: count))
        }
    }

    /// Writes the file, complete or not at all.
    package func write(to path: String, _ note: CalibrationNote, replaces: Bool, inputs: [InputFile]) throws(FileError) {
        let windowCount = (note.tokenCount - note.heldOutCount) / note.window
        let metadata: [GGUFMetadata.Entry] = [
            .init("general.type", .string("imatrix")), .init("imatrix.datasets", .array(GGUFArray(note.texts.map(\.name)))),
            .init("imatrix.chunk_count", .u32(UInt32(clamping: windowCount))),
            .init("imatrix.chunk_size", .u32(UInt32(clamping: note.window))),
        ]
        let planned = entries.flatMap { entry in
            [Self.tensor(entry.name + ".in_sum2", [1, entry.sums.count]), Self.tensor(entry.name + ".counts", [1, 1])]
        }
        let plan = try GGUFPlan(metadata: metadata, tensors: planned, path: path)
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: inputs)
        let writer = try GGUFWriter(file: output.file(), plan: plan)
        for (number, entry) in entries.enumerated() {
            try entry.sums.withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: 2 * number) }
            try [Float(entry.tokenCount)].withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: 2 * number + 1) }
        }
        try output.commit([writer.file])
    }

    private static func tensor(_ name: String, _ dimensions: [Int]) -> GGUFPlannedTensor {
        guard let type = GGUFTensorType.scalar(.f32), let shape = Shape(dimensions) else { preconditionFailure("few elements") }
        return GGUFPlannedTensor(name: name, type: type, shape: shape)
    }
}
