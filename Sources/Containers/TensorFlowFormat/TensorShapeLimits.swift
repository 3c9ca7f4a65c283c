/// Limits of a shape that TensorFlow itself has.
enum TensorShapeLimits {
    /// Dimensions of a tensor at most.
    static let rank = 254
}
