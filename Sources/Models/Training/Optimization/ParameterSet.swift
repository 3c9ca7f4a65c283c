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
    package let values: FloatMemory
    package let gradients: FloatMemory

    /// Each tensor begins at a multiple of so many elements (a cache line).
    private static let alignment = 16

    /// - Parameter tensors: names and shapes, in the order in which they are kept.
    package init(_ tensors: [(name: String, shape: Shape)]) throws(FileError) {
        var slots: [Slot] = []
        var end = 0
        for (name, shape) in tensors {
            slots.append(Slot(name: name, shape: shape, offset: end))
            end += (shape.elementCount + Self.alignment - 1) / Self.alignment * Self.alignment
        }
        self.slots = slots
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
