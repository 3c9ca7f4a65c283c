/// Memory of one worker each, reused from chunk to chunk.
///
/// A worker asks only for its own; the pool never runs two iterations of one worker at once.
package final class ScratchMemory: @unchecked Sendable {
    /// Of all workers, one after another. Not an array: to change one element is to write to all of it.
    private let buffers: UnsafeMutableBufferPointer<UnsafeMutableRawBufferPointer>
    private let slotCount: Int

    /// - Parameter slotCount: buffers that a worker uses at the same time.
    package init(workerCount: Int, slotCount: Int) {
        self.slotCount = slotCount
        buffers = .allocate(capacity: workerCount * slotCount)
        buffers.initialize(repeating: UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }

    deinit {
        for buffer in buffers { buffer.deallocate() }
        buffers.deallocate()
    }

    /// `byteCount` bytes, aligned to 64; whatever was in the slot may be gone.
    package func buffer(worker: Int, slot: Int, byteCount: Int) -> UnsafeMutableRawBufferPointer {
        precondition((0..<slotCount).contains(slot), "slot \(slot) of \(slotCount)")
        let index = worker * slotCount + slot
        if buffers[index].count < byteCount {
            buffers[index].deallocate()
            buffers[index] = .allocate(byteCount: byteCount, alignment: 64)
        }
        return UnsafeMutableRawBufferPointer(rebasing: buffers[index][..<byteCount])
    }
}
