package import Architectures

extension InferenceSession {
    /// A sequence on its way through a model, layer by layer: states [T, C] of positions from 0 on.
    package typealias States = UnsafeMutableBufferPointer<Float>

    /// Linear layers that multiply the same x.
    package struct InputGroup: Sendable, Hashable {
        /// The expert whose layers they are; nil for those that every position asks.
        package let expert: Int?
        /// By their numbers in the block, or in the expert.
        package let layers: Range<Int>

        init(expert: Int? = nil, layers: Range<Int>) {
            self.expert = expert
            self.layers = layers
        }
    }

    /// What is multiplied in a layer: x [n, in], which is valid during the call; of an expert the rows of the positions that ask it, in
    /// their order.
    package typealias InputObserver = (_ group: InputGroup, _ x: UnsafePointer<Float>, _ rowCount: Int) -> Void

    /// Fills `states` with the embedding of a sequence that begins here.
    ///
    /// - Parameter ids: tokens that the model knows, as many as the context has room for at most.
    package func embed(_ ids: [Int32], into states: States) {
        precondition(states.count == ids.count * configuration.width, "\(states.count) floats for \(ids.count) rows")
        reset()
        forEachPiece(of: ids.count) { rows in
            embed(ids[rows])
            copy(UnsafePointer(buffers.x.start), to: states.baseAddress, rows)
        }
        reset()
    }

    /// Runs a sequence through one of the session's layers, as `append` would, and leaves there what comes out.
    package func run(layer: Int, _ states: States, rotations: LayerRotations, observer: InputObserver) {
        precondition(states.count % configuration.width == 0, "states are whole rows")
        reset()
        let memory = buffers.blockMemory
        let length = states.count / configuration.width
        forEachPiece(of: length) { rows in
            guard let start = states.baseAddress else { return }
            memory.middle.update(from: start + rows.lowerBound * configuration.width, count: rows.count * configuration.width)
            withoutActuallyEscaping(observer) { observer in
                let pass = InferencePass(
                    engine: engine, precision: precision, cache: cache, layer: layer, positionCount: rows.count,
                    rotations: rotations.of(rows, length: length), observer: observer)
                blocks[layer].forward(memory.middle, into: memory.middle, memory, pass)
            }
            copy(UnsafePointer(memory.middle), to: start, rows)
        }
        reset()
    }

    private func copy(_ x: UnsafePointer<Float>, to states: UnsafeMutablePointer<Float>?, _ rows: Range<Int>) {
        states?.advanced(by: rows.lowerBound * configuration.width).update(from: x, count: rows.count * configuration.width)
    }

    /// Rows that go through a layer at once: whole groups of 256 where there is memory for them, as products and sums over rows take
    /// these together.
    private func forEachPiece(of count: Int, _ body: (Range<Int>) -> Void) {
        let limit = buffers.rowLimit < 256 ? buffers.rowLimit : buffers.rowLimit / 256 * 256
        for start in stride(from: 0, to: count, by: limit) {
            let rows = start..<min(start + limit, count)
            body(rows)
            cache.advance(by: rows.count)
        }
    }
}

/// Angles of the positions of sequences that all begin at 0, made once for all layers of a model.
package final class LayerRotations {
    private let model: ModelDescription
    private var tables: [Key: Rotations] = [:]

    private struct Key: Hashable {
        let positions: Range<Int>
        let length: Int
    }

    package init(of model: ModelDescription) { self.model = model }

    /// - Parameter length: positions of the whole sequence, on which some angles depend.
    func of(_ positions: Range<Int>, length: Int) -> Rotations {
        let key = Key(positions: positions, length: length)
        if let table = tables[key] { return table }
        let table = Rotations(of: model, places: positions.map { .init(position: $0, length: length) })
        tables[key] = table
        return table
    }
}
