package import ByteIO
package import TensorCore

/// All trainable tensors of a run, one after another in one memory, and their gradients in another of the same layout.
///
/// Optimizers and gradient norms run over the whole at once and know no tensors.
package final class ParameterSet: Sendable {
    /// One trainable tensor.
    package struct Slot: Sendable {
        package let name: String
        package let shape: Shape
        /// First element in the memories.
        package let offset: Int

        package var count: Int { shape.elementCount }
    }

    package let slots: [Slot]
    /// Consecutive elements with the same share of the learning rate, in order; all elements are in one of them.
    package let rates: [(range: Range<Int>, share: Double)]
    package let values: FloatMemory
    package let gradients: FloatMemory

    /// Each tensor begins at a multiple of so many elements (a cache line).
    private static let alignment = 16
    /// And where the learning rate changes: blocks of 8-bit moments are no wider.
    private static let rateAlignment = 256

    /// - Parameters:
    ///   - tensors: names and shapes, in the order in which they are kept.
    ///   - rates: of each, what share of the learning rate it has; nil for all of it.
    package init(_ tensors: [(name: String, shape: Shape)], rates: [Double]? = nil) throws(FileError) {
        var slots: [Slot] = []
        var end = 0, starts: [(start: Int, share: Double)] = []
        for (index, (name, shape)) in tensors.enumerated() {
            let share = rates?[index] ?? 1
            if starts.last?.share != share {
                end = (end + Self.rateAlignment - 1) / Self.rateAlignment * Self.rateAlignment
                starts.append((end, share))
            }
            slots.append(Slot(name: name, shape: shape, offset: end))
            end += (shape.elementCount + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        self.slots = slots
        self.rates = starts.indices.map { (starts[$0].start..<($0 + 1 < starts.count ? starts[$0 + 1].start : end), starts[$0].share) }
        values = try FloatMemory(count: end)
        gradients = try FloatMemory(count: end)
    }

    /// Trainable elements.
    package var elementCount: Int { slots.reduce(0) { $0 + $1.count } }

    package func value(_ slot: Int) -> UnsafeMutablePointer<Float> { values.pointer + slots[slot].offset }

    package func gradient(_ slot: Int) -> UnsafeMutablePointer<Float> { gradients.pointer + slots[slot].offset }

    /// A copy of the values of one tensor.
    package func array(_ slot: Int) -> [Float] { Array(UnsafeBufferPointer(start: value(slot), count: slots[slot].count)) }

    package func clearGradients() { gradients.buffer.update(repeating: 0) }

    /// The first tensor with a value that is not finite.
    package var firstNonfiniteValue: String? { firstNonfinite(in: values) }

    /// The first tensor with a gradient that is not finite.
    package var firstNonfiniteGradient: String? { firstNonfinite(in: gradients) }

    private func firstNonfinite(in memory: FloatMemory) -> String? {
        slots.first { slot in
            UnsafeBufferPointer(start: memory.pointer + slot.offset, count: slot.count).contains { !$0.isFinite }
        }?.name
    }
}
