import Platform

/// Whether two buffers hold the same bytes.
package func hasSameBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count, let first = a.baseAddress, let second = b.baseAddress else { return a.count == b.count }
    return memcmp(first, second, a.count) == 0
}

package func hasSameBytes(_ a: UnsafeMutableRawBufferPointer, _ b: UnsafeMutableRawBufferPointer) -> Bool {
    hasSameBytes(UnsafeRawBufferPointer(a), UnsafeRawBufferPointer(b))
}
