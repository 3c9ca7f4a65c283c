package import ByteIO
package import Calibration
package import Checkpoints
package import JSONText
package import Quantization
import Streaming
package import TensorCore

/// What a conversion to .qnf will do, tensor by tensor, before anything is read or written.
package struct ConversionPlan: Sendable {
    package enum Step: Sendable {
        /// Dense weight to 4-bit.
        case quantize
        /// 4-bit already: its parts are copied.
        case copyQuantized
        /// Bytes as they are.
        case copy
        /// Another float type for a tensor that stays dense.
        case cast(to: ScalarType)
        /// A weight of another encoding, which becomes dense.
        case decode(to: ScalarType)
    }

    package struct Item: Sendable {
        package let tensor: LogicalTensor
        package let step: Step
        /// Bytes in the source and in the output, all parts together.
        package let inputByteCount: Int
        package let outputByteCount: Int
    }

    package let checkpoint: Checkpoint
    let layers: FourBitLayers
    package let items: [Item]
    package let settings: QuantizationSettings
    let quantizer: any WeightQuantizer
    package let layout: QNFPlan
    /// Value of `qnf.settings`.
    package let settingsDocument: JSONValue
    package let toolVersion: String
    package let options: [String]
    /// Where codes are chosen by calibration.
    package let calibration: CalibrationNote?
    /// Where scales are searched for by an imatrix.
    package let importance: ImportanceNote?
    /// Where weights stay dense by a budget.
    package let budget: BitBudget?

    /// - Parameters:
    ///   - settings: for what is to be quantized; nil takes the default, or what the source is quantized with.
    ///   - quantizer: chooses the codes of what is to be quantized.
    ///   - type: for tensors that stay dense and are floats; nil keeps theirs.
    ///   - options: the options given, for the lineage.
    ///   - calibration: what codes of linear layers will be chosen by: `Conversion.run` has to be given it, too.
    ///   - importance: what scales will be searched for by: likewise.
    ///   - budget: of the same plan without one.
    package init(
        _ checkpoint: Checkpoint, settings requested: QuantizationSettings?, quantizer: any WeightQuantizer = NearestQuantizer(),
        rules: ConversionRules, castingTo type: ScalarType?, toolVersion: String, options: [String], calibration: CalibrationNote? = nil,
        importance: ImportanceNote? = nil, budget: BitBudget? = nil
    ) throws {
        let settings = try Self.settings(of: checkpoint, requested: requested)
        try Self.checkConvertible(checkpoint)
        let isQuantized = checkpoint.tensors.contains { $0.quantized != nil }
        let layers = FourBitLayers(checkpoint), spared = budget?.names ?? []
        var items: [Item] = []
        var planned: [PlannedTensor] = []
        for tensor in checkpoint.tensors {
            let isSpared = spared.contains(tensor.name)
            let quantizes =
                !isSpared && rules.action(for: tensor, of: layers, isQuantizedModel: isQuantized) == .quantize
                && QuantState.areWholeBlocks(tensor.shape.dimensions, blockSize: settings.blockSize)
            let (step, form) = try Self.step(
                for: tensor, checkpoint, quantizing: quantizes ? settings : nil,
                castingTo: isSpared ? BitBudget.type(of: tensor, castingTo: type) : type)
            let plannedTensor = PlannedTensor(name: tensor.name, form: form, orientation: tensor.orientation)
            planned.append(plannedTensor)
            items.append(
                Item(
                    tensor: tensor, step: step, inputByteCount: tensor.storedByteCount(in: checkpoint.source),
                    outputByteCount: try Self.byteCount(of: form)))
        }
        self.checkpoint = checkpoint
        self.layers = layers
        self.items = items
        self.settings = settings
        let quantizer: any WeightQuantizer =
            calibration != nil
            ? UnreachedQuantizer(name: CalibratedQuantizer.name)
            : importance != nil ? UnreachedQuantizer(name: ImportanceSearch.name) : quantizer
        self.quantizer = quantizer
        self.calibration = calibration
        self.importance = importance
        self.budget = budget
        self.toolVersion = toolVersion
        self.options = options
        let files = try checkpoint.correctedFiles()
        do throws(QuantizationError) { layout = try QNFPlan(tensors: planned, files: files) } catch {
            throw FileError(checkpoint.path, error.message)
        }
        let transposed = planned.filter { $0.orientation == .inputsByOutputs }.map(\.name).sorted(by: NaturalOrder.precedes)
        settingsDocument = .object([
            "quantizer": .string(isQuantized ? checkpoint.metadata?.quantizer ?? quantizer.name : quantizer.name),
            "quant_type": .string(settings.quantType.rawValue),
            "blocksize": .integer(settings.blockSize), "double_quant": .bool(settings.isDoubleQuantized),
            "nested_blocksize": .integer(QuantizationSettings.nestedBlockSize), "transposed": .strings(transposed),
        ])
    }

    package var elementCount: Int { items.reduce(0) { $0 + $1.tensor.elementCount } }

    /// Bytes that a conversion tells `Resources.progress` of, all together: every byte of the source is read.
    package var inputByteCount: Int { checkpoint.storedByteCount }

    /// Bytes of the output; a few less where decimal numbers in it turn out shorter than they can be.
    package func outputByteCount() throws(FileError) -> Int {
        try QNFWriter.byteCount(plan: layout, settings: settingsDocument, lineagePlaceholder: lineage(checksums: nil))
    }

    /// The steps that led to the source, and this one; of constant length whatever the checksums and the moments are.
    func lineage(checksums: [CRC32C]?, moments: String? = nil) -> JSONValue {
        var step = JSONObject([
            "step": .string("to-nf4"), "tool": .string("qconvert \(toolVersion)"), "options": .strings(options),
        ])
        if let calibration { step["calibration"] = calibration.document(moments: moments) }
        if let importance { step["imatrix"] = importance.document }
        if let budget { step["budget"] = budget.document }
        step["source"] = SourcePass.lineage(of: checkpoint, checksums: checksums)
        return .array((checkpoint.metadata?.lineage.array ?? []) + [.object(step)])
    }

    private static func settings(of checkpoint: Checkpoint, requested: QuantizationSettings?) throws -> QuantizationSettings {
        let states = checkpoint.tensors.compactMap { $0.quantized?.state }
        guard let first = states.first else { return requested ?? .standard }
        let existing = try QuantizationSettings(
            quantType: first.quantType, blockSize: first.blockSize, isDoubleQuantized: first.nested != nil)
        guard let requested, requested != existing else { return existing }
        throw OperationError(
            "\(checkpoint.path) is 4-bit already (\(existing)), but \(requested) is asked for",
            hint: "start from the dense model, or accept a second loss: `DenseExport` first")
    }

    /// Refuses what would give a file that says something else than its source.
    private static func checkConvertible(_ checkpoint: Checkpoint) throws {
        try checkpoint.requireReadableWeights()
        if let tensor = checkpoint.tensors.first(where: { $0.name.hasPrefix(QNFMetadata.filePrefix) }) {
            throw FileError(
                checkpoint.path, at: "tensor '\(tensor.name)'",
                "cannot be held by a .qnf, where names that begin with '\(QNFMetadata.filePrefix)' are files")
        }
    }

    /// - Parameter settings: how a dense tensor is to be quantized; nil keeps it dense.
    private static func step(
        for tensor: LogicalTensor, _ checkpoint: Checkpoint, quantizing settings: QuantizationSettings?, castingTo type: ScalarType?
    ) throws -> (Step, PlannedTensor.Form) {
        switch tensor.storage {
        case .quantized(let quantized):
            let state = quantized.state
            guard let own = state.settings else {
                throw FileError(
                    checkpoint.path, at: "tensor '\(tensor.name)'",
                    "its constants are quantized in blocks of \(state.nested?.blockSize ?? 0), but a .qnf holds blocks of "
                        + "\(QuantizationSettings.nestedBlockSize)")
            }
            return (.copyQuantized, .quantized(own, scalarType: state.scalarType, shape: state.shape))
        case .plain, .encoded:
            if let settings {
                guard let shape = Shape(tensor.orientation.turned(tensor.shape.dimensions)) else {
                    preconditionFailure("a turned shape has as many elements")
                }
                return (.quantize, .quantized(settings, scalarType: QuantState.recordedType(of: tensor.scalarType), shape: shape))
            }
            guard let index = tensor.plainIndex else {
                let type = type ?? tensor.scalarType
                guard let info = TensorInfo(name: tensor.name, scalarType: type, shape: tensor.shape) else {
                    throw OperationError("tensor '\(tensor.name)' of shape \(tensor.shape) is too large as \(type.rawValue)")
                }
                return (.decode(to: type), .plain(info))
            }
            let info = checkpoint.source.tensors[index]
            guard let type, info.scalarType.isQuantizable, type != info.scalarType,
                let cast = TensorInfo(name: info.name, scalarType: type, shape: info.shape)
            else { return (.copy, .plain(info)) }
            return (.cast(to: type), .plain(cast))
        }
    }

    private static func byteCount(of form: PlannedTensor.Form) throws -> Int {
        switch form {
        case .plain(let info): return info.byteCount
        case .quantized(let settings, let scalarType, let shape):
            let state = try QuantState(
                settings: settings, scalarType: scalarType, shape: shape, offset: settings.isDoubleQuantized ? 0 : nil)
            let constants = settings.isDoubleQuantized ? state.blockCount + 4 * state.nestedBlockCount + 4 * 256 : 4 * state.blockCount
            return state.packedByteCount + constants + 4 * 16 + state.jsonText.utf8.count
        }
    }
}
