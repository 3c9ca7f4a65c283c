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
///
/// Experts of a layer are together in NAME.in_sum2 [E, in] and NAME.counts [E, 1].
package final class ImportanceMatrix {
    private struct Entry {
        let name: String
        /// Of each expert, [experts, in].
        let sums: [Float]
        let tokenCounts: [Int]
    }

    /// Names of weights in GGUF files, by module: more than one where files have apart what the model multiplies at once.
    private let names: [String: [String]]
    private var entries: [Entry] = []

    package init(_ model: ModelDescription) {
        var names: [String: [String]] = [:]
        for weight in model.linearWeights + model.expertWeights where weight.key.expert ?? 0 == 0 {
            let roles: [TensorRole] = weight.key.role == .expertGateUp ? [.expertGate, .expertUp] : [weight.key.role]
            // Some families are in no GGUF files, and some of their modules have no names there.
            names[weight.module] = roles.filter { GGUFSpelling.modules[$0] != nil }
                .map { model.nameInGGUF(ModuleKey($0, layer: weight.key.layer), .weight) }
        }
        self.names = names
    }

    /// Takes what layers saw: the tokens that were not held out.
    package func add(_ inputs: CalibrationInputs) {
        switch inputs {
        case .all(let group):
            let count = group.moments.tokenCount
            let sums = group.moments.diagonal.map { Float($0 * Double(count)) }
            for module in group.modules { add(module.name, sums, [count]) }
        case .experts(let group):
            let counts = (0..<group.expertCount).map { group.tokenCount(ofExpert: $0) }
            let sums = counts.enumerated().flatMap { expert, count in
                group.diagonal(ofExpert: expert).map { Float($0 * Double(count)) }
            }
            for module in group.modules[0] {
                // Of an expert in a stack, its number is behind the name.
                add(group.isStacked ? String(module.name.dropLast(2)) : module.name, sums, counts)
            }
        }
    }

    private func add(_ module: String, _ sums: [Float], _ counts: [Int]) {
        for name in names[module] ?? [] { entries.append(Entry(name: name, sums: sums, tokenCounts: counts)) }
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
            let count = entry.tokenCounts.count
            return [
                Self.tensor(entry.name + ".in_sum2", [count, entry.sums.count / count]), Self.tensor(entry.name + ".counts", [count, 1]),
            ]
        }
        let plan = try GGUFPlan(metadata: metadata, tensors: planned, path: path)
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: inputs)
        let writer = try GGUFWriter(file: output.file(), plan: plan)
        for (number, entry) in entries.enumerated() {
            try entry.sums.withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: 2 * number) }
            try entry.tokenCounts.map { Float($0) }.withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: 2 * number + 1) }
        }
        try output.commit([writer.file])
    }

    private static func tensor(_ name: String, _ dimensions: [Int]) -> GGUFPlannedTensor {
        guard let type = GGUFTensorType.scalar(.f32), let shape = Shape(dimensions) else { preconditionFailure("few elements") }
        return GGUFPlannedTensor(name: name, type: type, shape: shape)
    }
}
