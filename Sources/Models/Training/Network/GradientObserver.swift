/// Is shown, on the way back, what the linear layers of all positions were given, and the gradients of what they gave.
///
/// Experts, which are given some of the positions, are not shown.
package struct GradientObserver {
    /// Shown of one layer: the name of its module, x [rows, in] and dy [rows, out], which are there for as long as it runs.
    package typealias Body = (_ module: String, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ rows: Int) -> Void

    let show: Body

    package init(_ show: @escaping Body) { self.show = show }
}
