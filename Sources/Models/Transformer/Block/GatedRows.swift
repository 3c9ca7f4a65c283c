package import Architectures
import CKernels
import Parallelism

/// What stands between the layers of a gated MLP, for rows of gate and up that lie apart, beside each other, or in turn.
///
///     inner = activation(gate) * up       clamped: (u + 1) g sigmoid(alpha g) with g = min(gate, limit), u = up within ±limit
package struct GatedRows {
    package enum Layout: Sendable, Hashable {
        /// [rows, I] of gate, then [rows, I] of up.
        case apart
        /// [rows, 2 I], the outputs of gate before those of up.
        case beside
        /// [rows, 2 I], gate and up in turn.
        case alternating
    }

    package let layout: Layout
    package let activation: Activation
    package let clamp: GateClamp?
    /// I.
    package let width: Int

    package init(_ layout: Layout, _ activation: Activation, clamp: GateClamp?, width: Int) {
        self.layout = layout
        self.activation = activation
        self.clamp = clamp
        self.width = width
    }

    private typealias Pointer = UnsafeMutablePointer<Float>
    /// Elements that a worker takes at a time.
    private static let tile = 1 << 14

    /// Where the kernels can take gate and up from as they lie.
    private var isDirect: Bool { clamp == nil && layout != .alternating }

    /// - Parameters:
    ///   - gateUp: 2 * rows * I floats.
    ///   - inner: [rows, I].
    package func forward(_ gateUp: UnsafePointer<Float>, rows: Int, into inner: UnsafeMutablePointer<Float>, _ engine: MatrixEngine) {
        let kernel = clamp == nil ? activation.kernel : QK_SILU
        forRows(rows, engine) { row, worker in
            let target = inner + row * width
            if isDirect {
                let (gate, up) = halves(gateUp, row, rows)
                qk_gated_at(engine.level, kernel, gate, up, width, target)
            } else {
                let gate = engine.scratch[worker].floats(2 * width), up = gate + width
                load(gateUp, row, rows, gate, up)
                qk_gated_at(engine.level, kernel, gate, up, width, target)
            }
        }
    }

    /// The gradients of gate and up take their places in `gateUp`.
    ///
    /// - Parameter dinner: [rows, I]; destroyed.
    package func backward(
        _ dinner: UnsafeMutablePointer<Float>, rows: Int, _ gateUp: UnsafeMutablePointer<Float>, _ engine: MatrixEngine
    ) {
        let kernel = clamp == nil ? activation.kernel : QK_SILU
        forRows(rows, engine) { row, worker in
            let gate = engine.scratch[worker].floats(3 * width), up = gate + width, dup = up + width
            let dgate = dinner + row * width
            load(gateUp, row, rows, gate, up)
            qk_gated_backward_at(engine.level, kernel, gate, up, width, dgate, dup)
            store(dgate, dup, row, rows, gateUp)
        }
    }

    private func forRows(_ rows: Int, _ engine: MatrixEngine, _ body: (_ row: Int, _ worker: Int) -> Void) {
        let rowsAtOnce = max(1, Self.tile / width)
        engine.pool.forKernels(count: (rows + rowsAtOnce - 1) / rowsAtOnce) { tile, worker in
            for row in tile * rowsAtOnce..<min(rows, (tile + 1) * rowsAtOnce) { body(row, worker) }
        }
    }

    private func halves(
        _ gateUp: UnsafePointer<Float>, _ row: Int, _ rows: Int
    ) -> (gate: UnsafePointer<Float>, up: UnsafePointer<Float>) {
        layout == .apart
            ? (gateUp + row * width, gateUp + (rows + row) * width) : (gateUp + 2 * row * width, gateUp + (2 * row + 1) * width)
    }

    /// Floats from a gate to the next, and where the first gate and the first up of a row are.
    private func place(_ row: Int, _ rows: Int) -> (gate: Int, up: Int, stride: Int) {
        switch layout {
        case .apart: (row * width, (rows + row) * width, 1)
        case .beside: (2 * row * width, (2 * row + 1) * width, 1)
        case .alternating: (2 * row * width, 2 * row * width + 1, 2)
        }
    }

    /// Copies a row, within bounds and scaled so that the plain kernel of SiLU gives what a clamped one is to give: alpha g and
    /// (u + 1) / alpha.
    private func load(_ gateUp: UnsafePointer<Float>, _ row: Int, _ rows: Int, _ gate: Pointer, _ up: Pointer) {
        let place = place(row, rows)
        for i in 0..<width {
            gate[i] = gateUp[place.gate + i * place.stride]
            up[i] = gateUp[place.up + i * place.stride]
        }
        guard let clamp else { return }
        let scale = 1 / clamp.alpha
        for i in 0..<width {
            // What is no number stays so.
            let g = gate[i] > clamp.limit ? clamp.limit : gate[i]
            let u = up[i] > clamp.limit ? clamp.limit : up[i] < -clamp.limit ? -clamp.limit : up[i]
            gate[i] = clamp.alpha * g
            up[i] = (u + 1) * scale
        }
    }

    /// Stores gradients where gate and up are; none goes through a bound that was reached.
    private func store(_ dgate: Pointer, _ dup: Pointer, _ row: Int, _ rows: Int, _ gateUp: Pointer) {
        let place = place(row, rows)
        for i in 0..<width {
            let gate = place.gate + i * place.stride, up = place.up + i * place.stride
            guard let clamp else {
                gateUp[gate] = dgate[i]
                gateUp[up] = dup[i]
                continue
            }
            gateUp[gate] = gateUp[gate] > clamp.limit ? 0 : clamp.alpha * dgate[i]
            gateUp[up] = abs(gateUp[up]) > clamp.limit ? 0 : dup[i] / clamp.alpha
        }
    }
}
