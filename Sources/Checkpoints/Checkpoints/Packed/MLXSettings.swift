import JSONText
import Quantization
import TensorCore

/// Bits, groups and kind of the codes of a module, as the configuration of a model of MLX states them.
struct MLXSettings {
    enum Mode: String { case affine, mxfp4, mxfp8, nvfp4 }

    static let method = "mlx"

    let mode: Mode
    let bits: Int
    let groupSize: Int

    /// - Parameter table: settings of all modules, with those of a single one under its path.
    init(_ table: JSONObject, module: String) throws(QuantizationError) {
        let own = table[module]
        guard own?.bool != false else {
            throw QuantizationError("says that '\(JSONError.excerpt(module))' is not quantized, but '\(module).scales' is there")
        }
        let settings = own?.object ?? table
        let place = own?.object == nil ? "" : " of '\(JSONError.excerpt(module))'"
        let name = settings["mode"]?.string ?? Mode.affine.rawValue
        guard let mode = Mode(rawValue: name) else {
            throw QuantizationError("the mode\(place) is '\(JSONError.excerpt(name))'; known are affine, mxfp4, mxfp8 and nvfp4")
        }
        let (usualBits, usualGroup) = Self.usual(mode)
        let bits = try Self.integer(settings["bits"], "bits", place) ?? usualBits
        let groupSize = try Self.integer(settings["group_size"], "group_size", place) ?? usualGroup
        let isKnown =
            mode == .affine
            ? [2, 3, 4, 5, 6, 8].contains(bits) && [32, 64, 128].contains(groupSize) : (bits, groupSize) == (usualBits, usualGroup)
        guard isKnown else {
            throw QuantizationError(
                "\(bits) bits in groups of \(groupSize)\(place) are not known of mode \(mode.rawValue); "
                    + (mode == .affine
                        ? "there are 2, 3, 4, 5, 6 and 8 in groups of 32, 64 and 128" : "there are \(usualBits) in groups of \(usualGroup)")
            )
        }
        (self.mode, self.bits, self.groupSize) = (mode, bits, groupSize)
    }

    /// What mlx takes where nothing is stated.
    private static func usual(_ mode: Mode) -> (bits: Int, groupSize: Int) {
        switch mode {
        case .affine: (4, 64)
        case .mxfp4: (4, 32)
        case .mxfp8: (8, 32)
        case .nvfp4: (4, 16)
        }
    }

    private static func integer(_ value: JSONValue?, _ key: String, _ place: String) throws(QuantizationError) -> Int? {
        guard let value, value != .null else { return nil }
        guard let integer = value.integer else { throw QuantizationError("'\(key)'\(place) is no whole number") }
        return integer
    }

    /// - Parameter shape: of the elements: [..., in].
    func encoding(shape: Shape, type: ScalarType, groupsPerRow: Int) throws(QuantizationError) -> GroupedWeight {
        let columns = groupsPerRow * groupSize
        func constants(_ form: GroupConstants.Form, _ part: Int) -> GroupConstants {
            GroupConstants(form, part: part, groupsPerRow: groupsPerRow)
        }
        switch mode {
        case .affine:
            // mx.dequantize on a CPU computes in the type of the scales.
            return try GroupedWeight(
                name: "MLX/\(bits)/\(groupSize)", scalarType: type, shape: shape, codes: .stream(bits: bits),
                rowByteCount: columns / 8 * bits, arithmetic: .scaledThenMoved, rounding: type, scales: constants(.numbers(type), 1),
                offsets: constants(.numbers(type), 2), groupSize: groupSize)
        case .mxfp4, .mxfp8:
            return try GroupedWeight(
                name: "MLX/\(mode.rawValue.uppercased())", scalarType: type, shape: shape, codes: mode == .mxfp4 ? .e2m1 : .e4m3,
                rowByteCount: columns / 8 * bits, scales: constants(.exponents, 1), groupSize: groupSize)
        case .nvfp4:
            return try GroupedWeight(
                name: "MLX/NVFP4", scalarType: type, shape: shape, codes: .e2m1, rowByteCount: columns / 2,
                scales: constants(.numbers(.f8e4m3), 1), groupSize: groupSize)
        }
    }
}
