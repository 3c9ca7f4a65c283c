/// Memory shared by the iterations of a loop, each of which has elements of its own in it.
///
/// The one place where that is taken on trust: no two iterations touch the same element, and nobody reads before the loop is over.
package final class Disjoint<Element: Sendable>: @unchecked Sendable {
    private let elements: UnsafeMutableBufferPointer<Element>

    package init(repeating element: Element, count: Int) {
        elements = .allocate(capacity: count)
        elements.initialize(repeating: element)
    }

    deinit {
        elements.deinitialize()
        elements.deallocate()
    }

    /// An element, for the iteration that it belongs to.
    package subscript(index: Int) -> Element {
        get { elements[index] }
        set { elements[index] = newValue }
    }

    /// Elements in one piece, for the iteration that they belong to.
    package subscript(range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(rebasing: elements[range])
    }

    /// All of them, once the loop is over.
    package var values: [Element] { Array(elements) }
}
