package import Checkpoints
import JSONText
package import Quantization
package import TensorCore

/// Constants of the blocks of a run of a weight that is 4-bit in the output.
///
/// What is stored of them is of the whole weight, as double quantization and the quant state are: the join makes it of all runs.
package struct RunConstants: Sendable {
    /// Index of the quant state in the frame.
    let state: Int
    let settings: QuantizationSettings
    /// Of the weight, as the state says it.
    let scalarType: ScalarType
    let shape: Shape
    /// Of the frame: tensors that the join makes.
    let tensors: [QuantizedTensor.Part: Int]
    package let firstBlock: Int
    /// Of the run.
    package let blockCount: Int

    package init(
        state: Int, _ settings: QuantizationSettings, _ scalarType: ScalarType, _ shape: Shape, tensors: [QuantizedTensor.Part: Int],
        firstBlock: Int, blockCount: Int
    ) {
        self.state = state
        self.settings = settings
        self.scalarType = scalarType
        self.shape = shape
        self.tensors = tensors
        self.firstBlock = firstBlock
        self.blockCount = blockCount
    }

    /// What the absmax of the run's blocks are called in the part: F32.
    var name: String { "\(PartWriter.prefix)constants/\(state)" }

    /// Of the whole weight.
    package var wholeBlockCount: Int { (shape.elementCount + settings.blockSize - 1) / settings.blockSize }

    /// Whether the other is a run of the same weight.
    func belongs(to other: RunConstants) -> Bool {
        (state, settings, scalarType, shape, tensors) == (other.state, other.settings, other.scalarType, other.shape, other.tensors)
    }

    var document: JSONValue {
        .object([
            "state": .integer(state), "quant_type": .string(settings.quantType.rawValue), "block_size": .integer(settings.blockSize),
            "double_quant": .bool(settings.isDoubleQuantized), "dtype": .string(scalarType.rawValue),
            "shape": .array(shape.dimensions.map { .integer($0) }),
            "tensors": .array(
                tensors.sorted { $0.value < $1.value }.map { .array([.string($0.key.rawValue), .integer($0.value)]) }),
            "first_block": .integer(firstBlock), "blocks": .integer(blockCount),
        ])
    }

    /// Nil where the document says nothing that could be.
    init?(_ document: JSONValue) {
        guard let state = document["state"]?.integer, let type = document["quant_type"]?.string.flatMap(QuantType.init),
            let blockSize = document["block_size"]?.integer, let isDouble = document["double_quant"]?.bool,
            let settings = try? QuantizationSettings(quantType: type, blockSize: blockSize, isDoubleQuantized: isDouble),
            let scalarType = document["dtype"]?.string.flatMap(ScalarType.init),
            let shape = document["shape"]?.array.flatMap({ Shape($0.map { $0.integer ?? -1 }) }),
            shape.elementCount <= .max / 2, let rows = document["tensors"]?.array, let firstBlock = document["first_block"]?.integer,
            let blockCount = document["blocks"]?.integer
        else { return nil }
        var tensors: [QuantizedTensor.Part: Int] = [:]
        for row in rows {
            guard let words = row.array, words.count == 2, let part = words[0].string.flatMap(QuantizedTensor.Part.init),
                let index = words[1].integer, !tensors.values.contains(index), tensors.updateValue(index, forKey: part) == nil
            else { return nil }
        }
        self.init(
            state: state, settings, scalarType, shape, tensors: tensors, firstBlock: firstBlock, blockCount: blockCount)
        guard firstBlock >= 0, blockCount > 0, firstBlock <= wholeBlockCount, blockCount <= wholeBlockCount - firstBlock else { return nil }
    }
}
