import ByteIO
import CommandLineKit
import Quantization
package import Streaming

extension FileError: Explained {}

extension OperationError: Explained {
    package var description: String { message }
}

extension QuantizationError: Explained {
    package var hint: String? { nil }
}
