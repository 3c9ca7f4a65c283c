import ByteIO
import Quantization
import TensorCore

/// Integers of 8 bits, or fewer, one in a byte, as compressed-tensors stores them unpacked (int-quantized, naive-quantized).
struct IntegerBytes {
    let module: String
    let codes: Int
    private let parts: PartChecks

    init(module: String, codes: Int, _ parts: PartChecks) {
        (self.module, self.codes, self.parts) = (module, codes, parts)
    }

    func weight(_ schemes: CompressedTensorsSchemes) throws(FileError) -> (encoding: GroupedWeight, parts: [Int]) {
        let scales = try parts.context.requiredPlace(of: module + ".weight_scale", beside: codes)
        let shape = parts.info(codes).shape
        guard shape.dimensions.count == 2, shape.elementCount > 0 else {
            throw parts.refusal(codes, "has shape \(shape), but integers with scales are a matrix [out, in]")
        }
        let (rows, columns) = (shape.dimensions[0], shape.dimensions[1])
        let scaleDimensions = parts.info(scales).shape.dimensions
        let grid = try ScaleGrid(scaleDimensions, rows: rows, columns: columns, bits: nil, schemes) { parts.refusal(scales, $0) }
        let type = parts.info(scales).scalarType
        guard type.isNarrowable else { throw parts.refusal(scales, "is \(type.rawValue), but scales are BF16, F16 or F32") }
        func constants(_ form: GroupConstants.Form, _ part: Int) -> GroupConstants {
            GroupConstants(form, part: part, groupsPerRow: grid.groupsPerRow, rowsPerEntry: grid.rowsPerEntry)
        }
        let zeros = parts.context.place(of: module + ".weight_zero_point")
        if let zeros { try parts.check(zeros, [.i8], [scaleDimensions], of: codes) }
        let encoding = try parts.encoding(of: codes) { () throws(QuantizationError) in
            try GroupedWeight(
                name: "INT8/\(grid.name)" + (zeros == nil ? "" : "+Z"), scalarType: type, shape: shape, codes: .int8,
                rowByteCount: columns, arithmetic: zeros == nil ? .scaled : .movedThenScaled, scales: constants(.numbers(type), 1),
                offsets: zeros.map { _ in constants(.numbers(.i8), 2) }, groupSize: grid.groupSize)
        }
        return (encoding, [codes, scales] + (zeros.map { [$0] } ?? []))
    }
}
