import Architectures
import Checkpoints
package import ModelLoading

/// What a calibration takes, before any of it is taken.
package struct CalibrationMemory: Sendable, Hashable {
    /// States of all tokens.
    package let states: Int
    /// Of the layer that takes most: its weights as they are stored, moments of all its inputs, and those that are held out.
    package let weights: Int
    package let moments: Int
    package let heldOut: Int
    /// Embedding and head as they are stored, buffers, one weight in float32 thrice, its factor, the program itself: an upper bound.
    package let work: Int

    package var total: Int { [states, weights, moments, heldOut, work].reduce(0, Self.sum) }

    private static let fixedWork = 120 << 20
    /// Weights in float32 that are at hand at a time: as it was, as it became, as the nearest codes would have it.
    private static let weightCopies = 3

    package init(_ model: LayeredModel, _ samples: CalibrationSamples) {
        let description = model.configuration, checkpoint = model.checkpoint
        var (weights, moments, heldOut, largest, widest) = (0, 0, 0, 0, 0)
        for (number, layer) in description.layers.enumerated() {
            let roles = layer.linearRoles
            let sizes = roles.map { layer.linear($0, width: description.width) }
            let stored = roles.reduce(0) {
                $0 + model.weight(ofModule: description.name($1, layer: number)).storedByteCount(in: checkpoint.source)
            }
            // Of groups that share inputs each counts for itself: an upper bound is asked for.
            let widths = Self.groupWidths(layer, description)
            weights = max(weights, stored)
            moments = max(moments, widths.reduce(0) { $0 + InputMoments.byteCount(width: $1) })
            heldOut = max(heldOut, Self.product([4, samples.heldOutCount, widths.reduce(0, +)]))
            largest = max(largest, sizes.map { Self.product([$0.inputs, $0.outputs]) }.max() ?? 0)
            widest = max(widest, widths.max() ?? 0)
        }
        states = Self.product([4, samples.tokenCount, description.width])
        self.weights = weights
        self.moments = moments
        self.heldOut = heldOut
        let tables = checkpoint.storedByteCount - model.layerByteCount
        work = [
            Self.fixedWork, tables, Self.product([4 * Self.weightCopies, largest]), SymmetricBlocks.byteCount(max(1, widest)),
            MomentMemory.byteCount(width: widest),
        ].reduce(0, Self.sum)
    }

    /// Inputs of each group of linear layers that share them.
    private static func groupWidths(_ layer: LayerDescription, _ model: ModelDescription) -> [Int] {
        [model.width, layer.attention.queryWidth, model.width, layer.feedForward.innerWidth]
    }

    private static let largestCount = Int.max / 16

    private static func product(_ factors: [Int]) -> Int {
        factors.reduce(1) { product, factor in
            let (larger, overflows) = product.multipliedReportingOverflow(by: factor)
            return overflows ? largestCount : min(larger, largestCount)
        }
    }

    private static func sum(_ a: Int, _ b: Int) -> Int { min(a, largestCount) + min(b, largestCount) }
}

extension LayeredModel {
    /// Bytes of the linear layers of all layers as they are stored.
    fileprivate var layerByteCount: Int {
        configuration.layers.enumerated().reduce(0) { sum, layer in
            layer.element.linearRoles.reduce(sum) {
                $0 + weight(ofModule: configuration.name($1, layer: layer.offset)).storedByteCount(in: checkpoint.source)
            }
        }
    }
}
