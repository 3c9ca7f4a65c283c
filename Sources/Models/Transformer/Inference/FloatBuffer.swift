/// Floats of a pass, allocated once and used again and again; not initialized.
final class FloatBuffer {
    private let memory: UnsafeMutableBufferPointer<Float>

    init(count: Int) {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * max(16, count), alignment: 64)
        memory = bytes.bindMemory(to: Float.self)
    }

    /// The first float, valid for as long as this object is held.
    var start: UnsafeMutablePointer<Float> {
        guard let start = memory.baseAddress else { preconditionFailure("allocated memory has an address") }
        return start
    }

    deinit { memory.deallocate() }

    /// The first `count` floats, valid for as long as this object is held.
    func first(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(count <= memory.count, "a buffer of \(memory.count) floats has no \(count)")
        return UnsafeMutableBufferPointer(rebasing: memory[..<count])
    }
}
