package import TensorCore

/// A stored tensor of an adapter.
package struct AdapterTensor: Hashable, Sendable {
    /// Index into `Adapter.tensors`.
    package let index: Int
    package let info: TensorInfo

    package var dimensions: [Int] { info.shape.dimensions }
}
