import ByteIO
import CommandLineKit
import Operations
import Quantization

extension FileError: Explained {}

extension OperationError: Explained {
    package var description: String { message }
}

extension QuantizationError: Explained {
    package var hint: String? { nil }
}
