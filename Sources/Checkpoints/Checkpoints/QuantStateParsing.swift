import JSONText
package import Quantization
package import TensorCore

extension QuantState {
    /// Reads the JSON of `quant_state.bitsandbytes__TYPE`; `typeName` is the TYPE of the tensor's own name.
    init(bitsandbytes document: JSONValue, typeName: String) throws(QuantizationError) {
        func member(_ key: String) throws(QuantizationError) -> JSONValue {
            guard let value = document[key] else { throw QuantizationError("the quant state has no '\(key)'") }
            return value
        }
        guard let stated = try member("quant_type").string, let quantType = QuantType(rawValue: stated) else {
            throw QuantizationError("quant_type \(try member("quant_type").text(.compact)) is unknown; known are nf4 and fp4")
        }
        guard stated == typeName else {
            throw QuantizationError("quant_type is '\(stated)', but the tensor's name says '\(typeName)'")
        }
        guard let blockSize = try member("blocksize").integer else {
            throw QuantizationError("blocksize \(try member("blocksize").text(.compact)) is no whole number")
        }
        guard let dtype = try member("dtype").string, let scalarType = Self.scalarType(dtype: dtype) else {
            throw QuantizationError("dtype \(try member("dtype").text(.compact)) is unknown; known are float32, float16 and bfloat16")
        }
        guard let shape = try member("shape").array?.map(\.integer), !shape.contains(nil) else {
            throw QuantizationError("shape \(try member("shape").text(.compact)) is no list of whole numbers")
        }
        try self.init(
            quantType: quantType, blockSize: blockSize, scalarType: scalarType, shape: shape.compactMap { $0 },
            nested: try Self.nested(in: document))
    }

    private static func nested(in document: JSONValue) throws(QuantizationError) -> Nested? {
        guard let offset = document["nested_offset"] else { return nil }
        guard let value = offset.double else { throw QuantizationError("nested_offset \(offset.text(.compact)) is no number") }
        guard document["nested_dtype"]?.string == "float32" else {
            throw QuantizationError(
                "nested_dtype is \(document["nested_dtype"]?.text(.compact) ?? "missing"), but only \"float32\" is known")
        }
        guard let blockSize = document["nested_blocksize"]?.integer else {
            throw QuantizationError("nested_blocksize is \(document["nested_blocksize"]?.text(.compact) ?? "missing"), no whole number")
        }
        return try Nested(blockSize: blockSize, offset: Float(value))
    }
}

extension QuantState {
    /// The state of a weight quantized with `settings`; `offset` only with double quantization.
    package init(
        settings: QuantizationSettings, scalarType: ScalarType, shape: Shape, offset: Float?
    ) throws(QuantizationError) {
        precondition((offset != nil) == settings.isDoubleQuantized, "an offset belongs to double quantization")
        let nested = try offset.map { offset throws(QuantizationError) in try Nested(offset: offset) }
        try self.init(
            quantType: settings.quantType, blockSize: settings.blockSize, scalarType: scalarType, shape: shape.dimensions, nested: nested)
    }

    /// How the weight was quantized; nil where its constants were in other blocks than ours are.
    package var settings: QuantizationSettings? {
        guard nested == nil || nested?.blockSize == QuantizationSettings.nestedBlockSize else { return nil }
        return try? QuantizationSettings(quantType: quantType, blockSize: blockSize, isDoubleQuantized: nested != nil)
    }
}
