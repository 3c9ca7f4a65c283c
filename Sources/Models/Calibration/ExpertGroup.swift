import ByteIO
package import Checkpoints
import TensorCore
package import Transformer

/// What layers see of a text, as a pass hands it out.
package enum CalibrationInputs {
    case all(CalibrationPass.Group)
    case experts(ExpertGroup)
}

/// Linear layers of the experts of a layer that multiply the same x [in], gate and up or down, and what each expert saw of a text.
///
/// An expert sees the tokens that ask it alone, so experts differ in how much is known of their inputs. The rows of x are kept as they
/// are, 4 in bytes each, as many for all experts together as tokens by experts that a token asks; moments are made of them for one
/// expert at a time.
package final class ExpertGroup {
    /// From 0.
    package let layer: Int
    /// Of each expert, in the order of the forward pass. Where one tensor holds the matrices of all, it is the weight of each.
    package let modules: [[CalibrationPass.Module]]
    /// Whether one tensor holds the matrices of all experts.
    package let isStacked: Bool
    /// in.
    package let width: Int
    private let rows: [ExpertRows]
    private let chunkWidth: Int?
    private let memory: MomentMemory

    /// - Parameters:
    ///   - rows: of each expert.
    ///   - chunkWidth: inputs that moments are of together at most; nil for all.
    init(
        layer: Int, modules: [[CalibrationPass.Module]], isStacked: Bool, width: Int, rows: [ExpertRows], chunkWidth: Int?,
        memory: MomentMemory
    ) {
        precondition(modules.count == rows.count, "\(modules.count) experts, but rows of \(rows.count)")
        self.layer = layer
        self.modules = modules
        self.isStacked = isStacked
        self.width = width
        self.rows = rows
        self.chunkWidth = chunkWidth
        self.memory = memory
    }

    package var expertCount: Int { modules.count }

    /// The tensors that hold the weights, and of which experts: of all, or of one each.
    package var tensors: [(tensor: LogicalTensor, experts: [Int])] {
        isStacked
            ? modules[0].map { ($0.weight, Array(modules.indices)) }
            : modules.enumerated().flatMap { expert, modules in modules.map { ($0.weight, [expert]) } }
    }

    /// Of the rows that moments are made of, a line for each expert: `LAYER NAME TOKENS CRC`, the checksum of the float32 of x.
    var digestLines: [String] {
        zip(modules, rows).map { modules, rows in
            var checksum = CRC32C()
            for piece in rows.learned { piece.withUnsafeBytes { checksum.append($0) } }
            return "\(layer) \(modules[0].name) \(rows.tokenCount) \(checksum)\n"
        }
    }

    /// Whether anything but 0 is known of the inputs of an expert.
    func hasInputs(ofExpert expert: Int) -> Bool { rows[expert].learned.contains { $0.contains { $0 != 0 } } }

    /// Tokens that asked an expert, without those held out.
    package func tokenCount(ofExpert expert: Int) -> Int { rows[expert].tokenCount }

    /// Moments of the inputs of an expert, made anew in every call; nil where no token asked it.
    package func moments(ofExpert expert: Int, _ engine: MatrixEngine) -> InputMoments? {
        let rows = rows[expert]
        guard rows.tokenCount > 0 else { return nil }
        let moments = InputMoments(width: width, heldOutCount: rows.heldOutCount, chunkWidth: chunkWidth)
        rows.learned.flatMap { $0 }.withUnsafeBufferPointer { x in
            if let start = x.baseAddress { moments.add(start, rowCount: rows.tokenCount, memory, engine) }
        }
        for piece in rows.heldOut {
            piece.withUnsafeBufferPointer { x in x.baseAddress.map { moments.hold($0, rowCount: x.count / width) } }
        }
        moments.finish(engine)
        return moments
    }

    /// h of an expert; all 0 where no token asked it.
    ///
    /// Sums of float64 in the order of the tokens.
    package func diagonal(ofExpert expert: Int) -> [Double] {
        var sums = [Double](repeating: 0, count: width)
        for piece in rows[expert].learned {
            for start in stride(from: 0, to: piece.count, by: width) {
                for column in 0..<width {
                    let x = Double(piece[start + column])
                    sums[column] += x * x
                }
            }
        }
        let count = Double(max(1, rows[expert].tokenCount))
        return sums.map { $0 / count }
    }

    /// X of an expert, row by row.
    package func heldOut(ofExpert expert: Int) -> [Float] { rows[expert].heldOut.flatMap { $0 } }

    /// Whether a row of any expert has what is no number.
    var isFinite: Bool {
        rows.allSatisfy { rows in
            (rows.learned + rows.heldOut).allSatisfy { piece in
                piece.withUnsafeBytes { FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: $0), of: .f32) == nil }
            }
        }
    }
}

/// Rows of x that asked one expert, in the order of the tokens: a piece for each window, [n, in].
struct ExpertRows {
    let width: Int
    private(set) var learned: [[Float]] = []
    private(set) var heldOut: [[Float]] = []
    private(set) var tokenCount = 0
    private(set) var heldOutCount = 0

    init(width: Int) { self.width = width }

    mutating func add(_ x: UnsafePointer<Float>, rowCount: Int, isHeldOut: Bool) {
        let piece = Array(UnsafeBufferPointer(start: x, count: rowCount * width))
        if isHeldOut {
            heldOut.append(piece)
            heldOutCount += rowCount
        } else {
            learned.append(piece)
            tokenCount += rowCount
        }
    }
}
