/// The memory of an array, lent to bodies whose errors keep their type: the standard library's `withUnsafeBytes` loses it.
extension Array where Element: BitwiseCopyable {
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBufferPointer { elements throws(Failure) in try body(UnsafeRawBufferPointer(elements)) }
    }

    package mutating func withMutableBytes<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeMutableBufferPointer { elements throws(Failure) in try body(UnsafeMutableRawBufferPointer(elements)) }
    }

    /// An array of `count` elements that `body` fills.
    package init<Failure: Error>(
        count: Int, filledBy body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        try self.init(unsafeUninitializedCapacity: count) { buffer, initializedCount throws(Failure) in
            try body(UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<count])))
            initializedCount = count
        }
    }
}
