package import Architectures

/// Where queries, keys and values of some positions lie, or their gradients.
package struct AttentionRows {
    /// Head h of position n at n * stride + h * D.
    package struct Heads {
        package let pointer: UnsafeMutablePointer<Float>
        package let stride: Int

        package init(pointer: UnsafeMutablePointer<Float>, stride: Int) {
            self.pointer = pointer
            self.stride = stride
        }
    }

    package let q: Heads
    package let k: Heads
    package let v: Heads

    /// As attention sees them: [N, H D + 2 K D] where one layer makes all three (put in this order, where that layer has another
    /// one), else [N, H D], [N, K D] and [N, K D] one after another.
    package init(_ base: UnsafeMutablePointer<Float>, of attention: Attention, positions n: Int) {
        let queries = attention.queryWidth, keys = attention.keyValueWidth
        switch attention.projections {
        case .fused, .grouped:
            let stride = queries + 2 * keys
            q = Heads(pointer: base, stride: stride)
            k = Heads(pointer: base + queries, stride: stride)
            v = Heads(pointer: base + queries + keys, stride: stride)
        case .separate:
            q = Heads(pointer: base, stride: queries)
            k = Heads(pointer: base + n * queries, stride: keys)
            v = Heads(pointer: base + n * (queries + keys), stride: keys)
        }
    }
}
