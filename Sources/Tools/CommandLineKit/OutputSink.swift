/// Where a stream's bytes go.
package protocol OutputSink: Sendable {
    /// Writes all of the bytes or throws.
    func write(_ bytes: [UInt8]) throws(OutputError)
}
