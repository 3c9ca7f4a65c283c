import Architectures
import Checkpoints
package import ModelLoading
import TensorCore

/// What a calibration takes, before any of it is taken.
package struct CalibrationMemory: Sendable, Hashable {
    /// States of all tokens.
    package let states: Int
    /// Of the layer that takes most: its weights as they are stored, moments of all its inputs, and those that are held out, with all that
    /// experts see.
    package let weights: Int
    package let moments: Int
    package let heldOut: Int
    /// Inputs of the layer that has most.
    package let widest: Int
    /// Inputs that moments are of together at most; nil for all.
    package let chunkWidth: Int?
    /// Embedding and head as they are stored, buffers, one weight in float32 thrice, its factor, the program itself: an upper bound.
    package let work: Int

    package var total: Int { [states, weights, moments, heldOut, work].reduce(0, Self.sum) }

    private static let fixedWork = 120 << 20
    /// Weights in float32 that are at hand at a time: as it was, as it became, as the nearest codes would have it.
    private static let weightCopies = 3

    /// With moments cut into as few chunks as it takes to stay under a limit.
    ///
    /// - Parameter limit: in bytes; nil for none.
    /// - Returns: the least that is possible where nothing fits.
    package static func fitting(_ limit: Int?, _ model: LayeredModel, _ samples: CalibrationSamples) -> CalibrationMemory {
        var result = CalibrationMemory(model, samples)
        guard let limit else { return result }
        for count in chunkCounts where result.total > limit && result.chunkWidth != SymmetricBlocks.size {
            let blocks = (result.widest + SymmetricBlocks.size - 1) / SymmetricBlocks.size
            result = CalibrationMemory(model, samples, chunkWidth: max(1, (blocks + count - 1) / count) * SymmetricBlocks.size)
        }
        return result
    }

    /// Chunks of the widest layer that are tried in turn.
    private static let chunkCounts = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 1 << 20]

    /// Of the widest layer.
    package var chunkCount: Int { InputMoments.chunks(width: widest, chunkWidth: chunkWidth).count }

    package init(_ model: LayeredModel, _ samples: CalibrationSamples, chunkWidth: Int? = nil) {
        let description = model.configuration, checkpoint = model.checkpoint
        var (weights, moments, heldOut, largest, widest, stacks) = (0, 0, 0, 0, 0, 0)
        for (number, layer) in description.layers.enumerated() {
            let mixture = layer.feedForward.mixture, expertRoles = mixture?.expertRoles ?? []
            let sizes = (layer.linearRoles + expertRoles).map { layer.linear($0, width: description.width) }
            // Of groups that share inputs each counts for itself: an upper bound is asked for.
            let widths = Self.groupWidths(layer, description)
            weights = max(
                weights, Self.linearWeights(of: layer, number, model).reduce(0) { $0 + $1.storedByteCount(in: checkpoint.source) })
            var ownMoments = widths.reduce(0) { Self.sum($0, InputMoments.byteCount(width: $1, chunkWidth: chunkWidth)) }
            var rows = Self.product([4, samples.heldOutCount, widths.reduce(0, +)])
            if let mixture {
                // What experts see is kept as it is, and moments are made for one of them at a time, from a copy.
                let inner = layer.feedForward.innerWidth, asked = Self.product([samples.tokenCount, mixture.chosenCount])
                rows = Self.sum(rows, Self.product([4, asked, Self.sum(description.width, inner)]))
                ownMoments = [
                    ownMoments, InputMoments.byteCount(width: max(description.width, inner), chunkWidth: chunkWidth),
                    Self.product([4, samples.tokenCount, max(description.width, inner)]),
                ].reduce(0, Self.sum)
                if mixture.storage != .separate {
                    // Codes and scales of all experts, chosen and nearest.
                    stacks = max(
                        stacks,
                        expertRoles.map { role in
                            let size = layer.linear(role, width: description.width)
                            return Self.product([2, mixture.expertCount, size.inputs, size.outputs])
                        }.max() ?? 0)
                }
            }
            moments = max(moments, ownMoments)
            heldOut = max(heldOut, rows)
            largest = max(largest, sizes.map { Self.product([$0.inputs, $0.outputs]) }.max() ?? 0)
            widest = max(widest, sizes.map(\.inputs).max() ?? 0)
        }
        states = Self.product([4, samples.tokenCount, description.width])
        self.widest = widest
        self.chunkWidth = chunkWidth
        self.weights = weights
        self.moments = moments
        self.heldOut = heldOut
        let tables = checkpoint.storedByteCount - model.layerByteCount
        work = [
            Self.fixedWork, tables, stacks, Self.product([4 * Self.weightCopies, largest]),
            InputMoments.byteCount(width: max(1, widest), chunkWidth: chunkWidth),
            MomentMemory.byteCount(width: widest),
        ].reduce(0, Self.sum)
    }

    /// Inputs of each group of linear layers that share them, but for those of experts.
    private static func groupWidths(_ layer: LayerDescription, _ model: ModelDescription) -> [Int] {
        let attention = [model.width, layer.attention.queryWidth]
        guard let mixture = layer.feedForward.mixture else { return attention + [model.width, layer.feedForward.innerWidth] }
        return attention + (mixture.shared.map { [model.width, $0.innerWidth] } ?? [])
    }

    /// The tensors that hold the weights of a layer's linear layers, experts included.
    fileprivate static func linearWeights(of layer: LayerDescription, _ number: Int, _ model: LayeredModel) -> [LogicalTensor] {
        var keys = layer.linearRoles.map { ModuleKey($0, layer: number) }
        if let mixture = layer.feedForward.mixture {
            let experts: [Int?] = mixture.storage == .separate ? (0..<mixture.expertCount).map { $0 } : [nil]
            keys += experts.flatMap { expert in mixture.expertRoles.map { ModuleKey($0, layer: number, expert: expert) } }
        }
        return keys.map { model.weight(of: $0) }
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
            CalibrationMemory.linearWeights(of: layer.element, layer.offset, self).reduce(sum) {
                $0 + $1.storedByteCount(in: checkpoint.source)
            }
        }
    }
}
