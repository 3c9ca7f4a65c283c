package import CommandLineKit
import Synchronization

/// Keeps what is written to it: for running a tool inside another program, such as a test.
package final class RecordingSink: OutputSink {
    private let bytes = Mutex<[UInt8]>([])

    package init() {}

    package func write(_ bytes: [UInt8]) throws(OutputError) {
        self.bytes.withLock { $0 += bytes }
    }

    package var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}
