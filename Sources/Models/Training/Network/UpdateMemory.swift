/// What LoRA beside one linear layer works in.
struct UpdateMemory {
    typealias Pointer = UnsafeMutablePointer<Float>

    /// [N, r], kept from the way there to the way back.
    let u: Pointer
    /// [N, r]
    let dv: Pointer
    /// [N, in]; used only with dropout.
    let dropped: Pointer
}
