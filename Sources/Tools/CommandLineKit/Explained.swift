/// An error that knows the next step. What is wrong stays the error's `description`;
/// the hint is printed on a line of its own under it.
///
/// Other modules' errors conform where the tools are put together: `extension FileError: Explained {}`.
package protocol Explained: Error, CustomStringConvertible {
    /// What to do about it: lower case, no full stop; nil where there is nothing to suggest.
    var hint: String? { get }
}
