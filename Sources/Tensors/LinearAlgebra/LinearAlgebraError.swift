/// A decomposition that LAPACK could not find.
package struct LinearAlgebraError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}
