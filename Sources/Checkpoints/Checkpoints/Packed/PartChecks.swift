import ByteIO
import JSONText
import Quantization
import TensorCore

/// What layouts check of the parts of a weight, in words that are the same for all.
struct PartChecks {
    let source: any TensorSource
    let context: LayoutContext

    func info(_ index: Int) -> TensorInfo { source.tensors[index] }

    /// What is wrong with a stored tensor.
    func refusal(_ index: Int, _ message: String, hint: String? = nil) -> FileError {
        FileError(source.path, at: "tensor '\(info(index).name)'", message, hint: hint)
    }

    /// Refuses a part of another type or shape than its codes ask for.
    func check(_ index: Int, _ types: [ScalarType], _ dimensions: [[Int]], of codes: Int) throws(FileError) {
        let info = info(index)
        guard types.contains(info.scalarType), dimensions.contains(info.shape.dimensions) else {
            let typeNames = types.map(\.rawValue).joined(separator: " or "), shapes = dimensions.map { "\($0)" }
            throw refusal(
                index,
                "is \(info.scalarType.rawValue) \(info.shape), but \(typeNames) \(shapes.joined(separator: " or ")) belongs to "
                    + "'\(self.info(codes).name)' of \(self.info(codes).shape)")
        }
    }

    /// The one number of a part of F32, which scales are divided by or multiplied with.
    func positiveNumber(_ index: Int) throws(FileError) -> Float {
        let value = try source.floats(ofTensor: index, 0..<1)[0]
        guard value > 0, value.isFinite else { throw refusal(index, "is \(value), but scales are positive numbers") }
        return value
    }

    /// All integers of a small part of I64, I32 or U8.
    func integers(_ index: Int) throws(FileError) -> [Int] {
        let info = info(index), bytes = try source.bytes(ofTensor: index)
        return bytes.withBytes { bytes in
            (0..<info.elementCount).map { element in
                switch info.scalarType {
                case .i64: Int(bytes.loadUnaligned(fromByteOffset: 8 * element, as: Int64.self))
                case .i32: Int(bytes.loadUnaligned(fromByteOffset: 4 * element, as: Int32.self))
                default: Int(bytes[element])
                }
            }
        }
    }

    /// What an encoding has against its sizes, said of the codes.
    func encoding<Encoding: WeightEncoding>(
        of codes: Int, _ make: () throws(QuantizationError) -> Encoding
    ) throws(FileError) -> Encoding {
        do throws(QuantizationError) { return try make() } catch { throw refusal(codes, error.message) }
    }

    /// [..., columns] for the dimensions of codes, whose last is counted otherwise.
    func shape(_ leading: some Sequence<Int>, columns: Int, of codes: Int) throws(FileError) -> Shape {
        guard let shape = Shape(leading + [columns]), shape.elementCount > 0 else {
            throw refusal(codes, "shape \(info(codes).shape) is empty, or stands for too many elements")
        }
        return shape
    }

    /// The type of a model whose codes and scales do not show one: that of its dense tensors if they have one, else what config.json
    /// says, else BF16.
    func modelType() -> ScalarType {
        let types = Set(source.tensors.lazy.filter { $0.scalarType.isNarrowable && $0.elementCount > 1 }.map(\.scalarType))
        if types.count == 1, let type = types.first { return type }
        let config = context.config?["text_config"]?.object != nil ? context.config?["text_config"] : context.config
        switch (config?["dtype"] ?? config?["torch_dtype"] ?? context.config?["dtype"])?.string {
        case "float16": return .f16
        case "float32": return .f32
        default: return .bf16
        }
    }
}

extension StatedQuantization.Statement {
    /// What is wrong with what is stated.
    func refusal(_ path: String, _ message: String, hint: String? = nil) -> FileError {
        FileError(path, at: file + (key.map { ": \($0)" } ?? ""), message, hint: hint)
    }
}
