import CKernels

/// Moves rows of a 4-bit weight towards what a merge wants, their scales kept: single codes take single steps, the best first.
///
/// Per row, d is the row of the delta D and e what changed less d, at first -d. With G = moments + damping I and
/// u = G d / sqrt(d G d), a step is taken as long as
///
///     J(e) = e G e' + mu (e u - (aim - 1) d u)^2
///
/// falls by one, and then the one that lowers it most; of equal ones that of the lowest column. From the base on, so that no more
/// noise comes in than brings the effect back; mu > 0 wants the whole effect at the price of more of it, and
/// with an aim above 1 more than that: what is lost again on inputs that had no part in the moments. Rows do not depend on
/// each other, sums have fixed orders: the same codes on every machine, for any number of threads.
package struct CodeFlips: Sendable {
    /// Rows that share what is read of the moments.
    static let panelRowCount = 16
    /// Steps of a row at most; each lowers J, so none comes near it.
    private static let stepCountLimit = 10_000

    let inputs: LayerInputs
    let steps: CodeSteps
    let mu: Double
    /// Of the effect, how much is to be there on the inputs of the moments.
    let aim: Double

    package init(_ inputs: LayerInputs, steps: CodeSteps, mu: Double, aim: Double = 1) {
        precondition(mu >= 0 && mu.isFinite && aim > 0 && aim.isFinite, "mu \(mu), aim \(aim)")
        self.inputs = inputs
        self.steps = steps
        self.mu = mu
        self.aim = aim
    }

    /// Flips codes of whole rows; returns what the change does to held-out inputs.
    ///
    /// - Parameters:
    ///   - codes: one in each byte, [rows, columns].
    ///   - scales: what the code of each element is multiplied by, likewise.
    ///   - delta: what is to be added, finite, likewise.
    package func flip(
        codes: UnsafeMutableBufferPointer<UInt8>, scales: UnsafeBufferPointer<Float>, delta: UnsafeBufferPointer<Float>
    ) -> ActivationSums {
        let columns = inputs.columnCount
        precondition(
            codes.count % columns == 0 && scales.count == codes.count && delta.count == codes.count,
            "\(codes.count) codes, \(scales.count) scales and \(delta.count) deltas in rows of \(columns)")
        var sums = ActivationSums()
        let memory = PanelMemory(columns: columns, heldOutCount: inputs.heldOutCount)
        for start in stride(from: 0, to: codes.count, by: Self.panelRowCount * columns) {
            let range = start..<min(start + Self.panelRowCount * columns, codes.count)
            sums =
                sums
                + flipPanel(
                    UnsafeMutableBufferPointer(rebasing: codes[range]), UnsafeBufferPointer(rebasing: scales[range]),
                    UnsafeBufferPointer(rebasing: delta[range]), memory)
        }
        return sums
    }

    /// What rows of a panel are worked on in; doubles.
    private final class PanelMemory {
        /// [rows, columns], the second half of the outputs those of the change.
        let delta, change, product: UnsafeMutableBufferPointer<Double>
        let outputs: UnsafeMutableBufferPointer<Double>
        let row: qk_flip_row
        private let rowMemory: UnsafeMutablePointer<Double>

        init(columns: Int, heldOutCount: Int) {
            let count = CodeFlips.panelRowCount * columns
            delta = .allocate(capacity: count)
            change = .allocate(capacity: count)
            product = .allocate(capacity: count)
            outputs = .allocate(capacity: 2 * CodeFlips.panelRowCount * heldOutCount)
            rowMemory = .allocate(capacity: 5 * columns)
            row = qk_flip_row(
                gradient: rowMemory, direction: rowMemory + columns, curvature: rowMemory + 2 * columns, up: rowMemory + 3 * columns,
                down: rowMemory + 4 * columns)
        }

        deinit {
            for buffer in [delta, change, product, outputs] { buffer.deallocate() }
            rowMemory.deallocate()
        }
    }

    private func flipPanel(
        _ codes: UnsafeMutableBufferPointer<UInt8>, _ scales: UnsafeBufferPointer<Float>, _ delta: UnsafeBufferPointer<Float>,
        _ memory: PanelMemory
    ) -> ActivationSums {
        let columns = inputs.columnCount, rowCount = codes.count / columns
        guard let c = codes.baseAddress, let s = scales.baseAddress, let d = delta.baseAddress, let deltas = memory.delta.baseAddress,
            let changes = memory.change.baseAddress, let products = memory.product.baseAddress
        else { return ActivationSums() }
        qk_flip_widen(d, codes.count, deltas)
        inputs.moments.withUnsafeBufferPointer { moments in
            guard let moments = moments.baseAddress else { return }
            qk_flip_products(moments, columns, columns, deltas, rowCount, products, columns)
            withUnsafePointer(to: steps.kernel) { steps in
                withUnsafePointer(to: memory.row) { row in
                    for index in 0..<rowCount {
                        let start = index * columns
                        qk_flip_begin(steps, s + start, c + start, columns, changes + start)
                        let effect = qk_flip_prepare(moments, columns, inputs.damping, mu, aim, deltas + start, products + start, row)
                        if effect > 0 {
                            var count = 0
                            qk_flip_run(
                                moments, columns, inputs.damping, mu, steps, s + start, Self.stepCountLimit, row, c + start, &count)
                        }
                        qk_flip_end(steps, s + start, c + start, columns, changes + start)
                    }
                }
            }
        }
        return measure(deltas, changes, rowCount, memory)
    }

    private func measure(
        _ deltas: UnsafeMutablePointer<Double>, _ changes: UnsafeMutablePointer<Double>, _ rowCount: Int, _ memory: PanelMemory
    ) -> ActivationSums {
        let tokens = inputs.heldOutCount, columns = inputs.columnCount
        var sums = ActivationSums()
        guard tokens > 0, let wanted = memory.outputs.baseAddress else { return sums }
        let found = wanted + rowCount * tokens
        inputs.heldOut.withUnsafeBufferPointer { heldOut in
            guard let x = heldOut.baseAddress else { return }
            qk_flip_products(x, tokens, columns, deltas, rowCount, wanted, tokens)
            qk_flip_products(x, tokens, columns, changes, rowCount, found, tokens)
        }
        qk_flip_measure(wanted, found, rowCount * tokens, &sums.delta, &sums.changeTimesDelta, &sums.error)
        return sums
    }
}
