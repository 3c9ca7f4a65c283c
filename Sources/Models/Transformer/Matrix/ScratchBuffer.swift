/// Aligned memory that is kept from use to use and grows when more is asked for. Its contents do not survive that.
final class ScratchBuffer {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    deinit { memory.deallocate() }

    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        bytes(4 * count).assumingMemoryBound(to: Float.self)
    }

    func bytes(_ byteCount: Int) -> UnsafeMutableRawPointer {
        if memory.count < byteCount || memory.baseAddress == nil {
            memory.deallocate()
            memory = .allocate(byteCount: max(byteCount, 64), alignment: 64)
        }
        guard let start = memory.baseAddress else { preconditionFailure("allocated memory has an address") }
        return start
    }
}
