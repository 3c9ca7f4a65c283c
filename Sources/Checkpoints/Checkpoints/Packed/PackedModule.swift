import ByteIO
import JSONText
import Quantization
import TensorCore

/// A module whose weight is codes in `qweight`: its parts, checked against each other and against what is stated.
struct PackedModule {
    /// Without `.qweight`.
    let name: String
    /// Codes, zeros, scales, and the groups of inputs where they are stored.
    let parts: [Int]
    /// Why it is not read, where it is of a variant that is not.
    let refusal: ForeignWeights?
    private let source: any TensorSource
    private let context: LayoutContext
    private let stated: StatedCodes
    private let codes: TensorInfo
    private let zeros: TensorInfo
    private let scales: TensorInfo
    private let groups: TensorInfo?

    /// - Parameter index: of the codes.
    init(_ source: any TensorSource, _ index: Int, _ context: LayoutContext, _ stated: StatedCodes) throws(FileError) {
        self.source = source
        self.context = context
        self.stated = stated
        codes = source.tensors[index]
        name = String(codes.name.dropLast(".qweight".count))
        let zerosPlace = try context.requiredPlace(of: name + ".qzeros", beside: index)
        let scalesPlace = try context.requiredPlace(of: name + ".scales", beside: index)
        let groupsPlace = context.place(of: name + ".g_idx")
        (zeros, scales) = (source.tensors[zerosPlace], source.tensors[scalesPlace])
        groups = groupsPlace.map { source.tensors[$0] }
        parts = [index, zerosPlace, scalesPlace] + (groupsPlace.map { [$0] } ?? [])
        refusal = Self.refusal(codes, zeros, scales)
        guard refusal == nil else { return }
        for info in [codes, zeros, scales] {
            guard info.shape.dimensions.count == 2, info.elementCount > 0 else { throw misfit(info, "is no matrix") }
        }
        guard zeros.scalarType == .i32 else { throw misfit(zeros, "is no I32, as '\(codes.name)' is") }
        guard scales.scalarType.isNarrowable else { throw misfit(scales, "is no F16, BF16 or F32") }
    }

    /// 5 to 7 bits lie in planes, a layout of one program that nobody else reads.
    private static func refusal(_ codes: TensorInfo, _ zeros: TensorInfo, _ scales: TensorInfo) -> ForeignWeights? {
        guard scales.shape.dimensions.count == 2, zeros.shape.dimensions.count == 2, codes.shape.dimensions.count == 2 else { return nil }
        let outputs = scales.shape.dimensions[1]
        guard outputs > 0, codes.shape.dimensions[1] == outputs, zeros.shape.dimensions[1] < 1 << 40 else { return nil }
        let bits = 32 * zeros.shape.dimensions[1] / outputs
        guard (5...7).contains(bits), 32 * zeros.shape.dimensions[1] == outputs * bits else { return nil }
        return ForeignWeights(
            kind: .packed, name: "GPTQ of \(bits) bits", place: ForeignWeights.tensorPlace(codes.name),
            message: "holds codes of \(bits) bits in planes, but 2, 3, 4 and 8 bits are read",
            hint: "start from the dense model, or dequantize this one with GPTQModel")
    }

    private func misfit(_ info: TensorInfo, _ message: String, hint: String? = nil) -> FileError {
        FileError(
            source.path, at: "tensor '\(info.name)'", "\(message): it is \(info.scalarType.rawValue) \(info.shape)",
            hint: hint ?? "the checkpoint is damaged, or its files are of different models; fetch it again, whole")
    }

    /// Of the parts, in whatever order they lie.
    func encoding() throws(FileError) -> any WeightEncoding {
        let (rows, columns) = (codes.shape.dimensions[0], codes.shape.dimensions[1])
        let outputs = scales.shape.dimensions[1]
        do throws(QuantizationError) {
            if columns == outputs, !stated.isGEMV { return try columnsDown(rows: rows, outputs: outputs) }
            let isAcross = columns.multipliedReportingOverflow(by: 8) == (outputs, false)
            if stated.isGEMV || isAcross, let groups { throw QuantizationError("is AWQ, but has '\(groups.name)' beside it") }
            if stated.isGEMV { return try rowCodes() }
            if isAcross { return try columnsAcross(inputs: rows, outputs: outputs) }
        } catch { throw misfit(codes, error.message) }
        throw misfit(codes, "fits neither GPTQ ([in * bits / 32, \(outputs)]) nor AWQ ([in, \(outputs / 8)]) beside '\(scales.name)'")
    }

    // MARK: - GPTQ

    private func columnsDown(rows: Int, outputs: Int) throws(QuantizationError) -> any WeightEncoding {
        let bits = try bits(outputs: outputs)
        guard rows < 1 << 40, 32 * rows % bits == 0 else { throw QuantizationError("has no whole codes of \(bits) bits") }
        let inputs = 32 * rows / bits
        if let groups {
            guard groups.scalarType == .i32, groups.shape.dimensions == [inputs] else {
                throw QuantizationError(
                    "has codes of \(bits) bits of \(inputs) inputs, but '\(groups.name)' is \(groups.scalarType.rawValue) \(groups.shape)")
            }
        }
        let label = stated.zeros == .plusOneInWords && bits == 3 ? ZeroPoints.Rule.plusOne : stated.zeros
        let groupCount = scales.shape.dimensions[0]
        return try ColumnCodes(
            "GPTQ/\(bits)\(Self.suffix(inputs: inputs, groupCount: groupCount, size: stated.groupSize))", .down,
            shape: shape(outputs, inputs), bits: bits, groupCount: groupCount,
            groupSize: groups == nil ? try groupSize(inputs: inputs, groupCount: groupCount) : nil,
            zeros: ZeroPoints(bits: bits, label: label, isSymmetric: stated.isSymmetric), scales: scales.scalarType, scalarType: .f16)
    }

    /// By the zeros, of which there is one for each output and group.
    private func bits(outputs: Int) throws(QuantizationError) -> Int {
        let words = zeros.shape.dimensions[1]
        guard zeros.shape.dimensions[0] == scales.shape.dimensions[0], words < 1 << 40, 32 * words % outputs == 0 else {
            throw QuantizationError("has zeros '\(zeros.name)' \(zeros.shape) that do not fit its scales \(scales.shape)")
        }
        let bits = 32 * words / outputs
        if let stated = stated.bits, stated != bits, !self.stated.varies {
            throw QuantizationError("has zeros of \(bits) bits, but the configuration says \(stated)")
        }
        return bits
    }

    // MARK: - AWQ

    private func columnsAcross(inputs: Int, outputs: Int) throws(QuantizationError) -> any WeightEncoding {
        guard try bits(outputs: outputs) == 4 else { throw QuantizationError("is AWQ, but not of 4 bits") }
        let groupCount = scales.shape.dimensions[0]
        return try ColumnCodes(
            "AWQ/4\(Self.suffix(inputs: inputs, groupCount: groupCount, size: stated.groupSize))", .across, shape: shape(outputs, inputs),
            bits: 4, groupCount: groupCount, groupSize: try groupSize(inputs: inputs, groupCount: groupCount),
            zeros: ZeroPoints(bits: 4, label: .stored, isSymmetric: false), scales: scales.scalarType, scalarType: .f16)
    }

    private func rowCodes() throws(QuantizationError) -> any WeightEncoding {
        let outputs = codes.shape.dimensions[0]
        guard scales.shape.dimensions[0] == outputs, zeros.shape.dimensions[0] == outputs else {
            throw QuantizationError(
                "has \(outputs) rows, but its scales have \(scales.shape.dimensions[0]) and its zeros \(zeros.shape.dimensions[0])")
        }
        let (inputs, overflows) = codes.shape.dimensions[1].multipliedReportingOverflow(by: 8)
        guard !overflows else { throw QuantizationError("has more inputs than can be counted") }
        guard let size = stated.groupSize else {
            throw QuantizationError("is AWQ in rows (gemv), where only the configuration says the group_size, which it does not")
        }
        let groupSize = size < 0 ? inputs : size, scaleCount = scales.shape.dimensions[1], zeroCount = 8 * zeros.shape.dimensions[1]
        guard groupSize > 0, groupSize % 8 == 0 else {
            throw QuantizationError("has groups of \(groupSize), which do not fill words of 32 bits")
        }
        let groupCount = (inputs - 1) / groupSize + 1
        guard groupCount <= scaleCount, groupCount <= zeroCount else {
            throw QuantizationError("has rows of \(groupCount) groups of \(groupSize), but \(scaleCount) scales and \(zeroCount) zeros")
        }
        // Rows of constants are longer than there are groups.
        return try GroupedWeight(
            name: "AWQ-gemv/4/\(size)", scalarType: .f16, shape: shape(outputs, inputs), codes: .stream(bits: 4), rowByteCount: inputs / 2,
            arithmetic: .movedThenScaled, scales: GroupConstants(.numbers(scales.scalarType), part: 2, groupsPerRow: scaleCount),
            offsets: GroupConstants(.nibbles, part: 1, groupsPerRow: zeroCount), groupSize: groupSize, words: "AWQ, 4 bits")
    }

    // MARK: - Shapes

    private func shape(_ outputs: Int, _ inputs: Int) throws(QuantizationError) -> Shape {
        guard let shape = Shape([outputs, inputs]), shape.elementCount > 0, shape.elementCount < 1 << 56 else {
            throw QuantizationError("stands for [\(outputs), \(inputs)], which is empty or too large")
        }
        return shape
    }

    /// Where no tensor says the group of each input: as stated, or so that all are of one size.
    private func groupSize(inputs: Int, groupCount: Int) throws(QuantizationError) -> Int {
        if groupCount == 1 { return inputs }
        if let size = stated.groupSize, size > 0 {
            guard (inputs - 1) / size + 1 == groupCount else {
                throw QuantizationError(
                    "has \(groupCount) groups, but \(inputs) inputs in groups of \(size) have \((inputs - 1) / size + 1)")
            }
            return size
        }
        guard inputs % groupCount == 0 else {
            throw QuantizationError("has \(groupCount) groups of \(inputs) inputs, and nothing says which input is of which")
        }
        return inputs / groupCount
    }

    /// `/128`, as stated or as the groups are; nothing where all inputs are one group.
    private static func suffix(inputs: Int, groupCount: Int, size: Int?) -> String {
        if let size, size > 0 { return "/\(size)" }
        return groupCount == 1 ? "" : "/\(inputs / groupCount)"
    }

    // MARK: - Beside the weight

    /// Whether zeros are stored less one and one of them has all bits set. Reads all of them.
    func hasAmbiguousZeros() throws(FileError) -> Bool {
        guard [.plusOne, .plusOneInWords].contains(stated.zeros), !stated.isSymmetric, !stated.isAWQ, scales.shape.dimensions[1] > 0 else {
            return false
        }
        let bits = 32 * zeros.shape.dimensions[1] / scales.shape.dimensions[1]
        return ZeroPoints.hasLargest(try source.bytes(ofTensor: parts[1]), bits: bits)
    }

    /// A bias of zeros that a model of this architecture does not have; nil where there is none, or where it is one of the model's.
    func emptyBias() throws(FileError) -> Int? {
        guard let place = context.place(of: name + ".bias"), context.expects(name + ".bias") == false else { return nil }
        let info = source.tensors[place]
        guard try source.bytes(ofTensor: place).allSatisfy({ $0 == 0 }) else {
            throw FileError(
                source.path, at: "tensor '\(info.name)'",
                "is a bias that is not zero, but a '\(context.config?["model_type"]?.string ?? "")' of this config.json has none there",
                hint: "weights and config.json are not of the same model")
        }
        return place
    }
}
