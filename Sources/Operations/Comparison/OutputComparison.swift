package import Architectures
package import Calibration
package import Checkpoints
package import ModelLoading
import TensorCore
package import Transformer

/// What layers of a model put out on a text otherwise than those of the source that it was made of.
///
/// Every weight sees the inputs that the source's own layer sees, so errors do not add up over layers.
package struct OutputComparison {
    private let source: LayeredModel
    private let model: Checkpoint
    private let pass: CalibrationPass
    /// Weights of the model, by the names of those of the source; of the same shape.
    private let partners: [String: LogicalTensor]

    /// - Parameters:
    ///   - samples: all of which are measured.
    ///   - model: of any format, tensors of the source's names.
    /// - Throws: where the source cannot be run on the samples.
    package init(source: LayeredModel, _ samples: CalibrationSamples, model: Checkpoint, engine: MatrixEngine) throws(ModelError) {
        self.source = source
        self.model = model
        // Moments are of no use here: as little of them as there is.
        pass = try CalibrationPass(source, Self.heldOut(samples), chunkWidth: Self.chunkWidth, engine: engine)
        let first = source.checkpoint.tensors
        let pairs = TensorMatching(first, model.tensors, rule: .exactNames).pairs.filter {
            first[$0.first].shape == model.tensors[$0.second].shape
        }
        partners = Dictionary(pairs.map { (first[$0.first].name, model.tensors[$0.second]) }) { earlier, _ in earlier }
    }

    private static let chunkWidth = SymmetricBlocks.size

    /// All windows to judge by, and the first one once more, as a pass has to have one to learn from.
    private static func heldOut(_ samples: CalibrationSamples) -> CalibrationSamples {
        CalibrationSamples(
            samples.samples.prefix(1).map { .init(ids: $0.ids, isHeldOut: false) }
                + samples.samples.map { .init(ids: $0.ids, isHeldOut: true) })
    }

    /// What it takes, at most.
    package static func memory(_ source: LayeredModel, _ samples: CalibrationSamples) -> CalibrationMemory {
        CalibrationMemory(source, heldOut(samples), chunkWidth: chunkWidth)
    }

    package var layerCount: Int { pass.layerCount }

    /// Root of |X (Q - W)'|^2 / |X W'|^2 of every linear layer, by the name of its weight; of experts over all that were asked. Weights that
    /// the model does not have, and experts that no token asked, are left out.
    ///
    /// - Parameter progress: told of each layer that is done.
    package func run(progress: () -> Void = {}) throws -> [String: Double] {
        var result: [String: Double] = [:]
        try pass.run { _, _ in
            progress()
        } experts: { group in
            for (tensor, experts) in group.tensors {
                var sums = (error: 0.0, all: 0.0)
                for (place, expert) in experts.enumerated() {
                    let size = tensor.elementCount / experts.count
                    let judge = OutputError(on: group.heldOut(ofExpert: expert), engine: pass.engine)
                    guard let own = try squares(tensor, place * size..<(place + 1) * size, columns: group.width, judge) else { continue }
                    sums = (sums.error + own.error, sums.all + own.all)
                }
                if sums.all > 0 { result[tensor.name] = (sums.error / sums.all).squareRoot() }
            }
        } _: { group in
            let judge = OutputError(on: group.moments, engine: pass.engine)
            for module in group.modules {
                let weight = module.weight
                let sums = try squares(weight, 0..<weight.elementCount, columns: group.moments.width, judge)
                if let sums, sums.all > 0 { result[weight.name] = (sums.error / sums.all).squareRoot() }
            }
        }
        return result
    }

    /// Of the elements of a weight of the source, in the order of [out, in]; nil where the model has none.
    private func squares(
        _ weight: LogicalTensor, _ range: Range<Int>, columns: Int, _ judge: OutputError
    ) throws -> (error: Double, all: Double)? {
        guard let partner = partners[weight.name] else { return nil }
        let elements = try source.checkpoint.reader(of: weight, order: .outputsByInputs).elements(range)
        let found = try model.reader(of: partner, order: .outputsByInputs).elements(range)
        return elements.withUnsafeBufferPointer { elements in
            found.withUnsafeBufferPointer { found in
                (judge.squares(of: found, against: elements, columns: columns), judge.squares(of: elements, columns: columns))
            }
        }
    }
}
