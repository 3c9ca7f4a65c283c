import ByteIO
import Quantization
import SafetensorsFormat
import TensorCore
import TestSupport

@testable import Checkpoints

/// A toy: an I8 for each element and an F32 for each row of [out, in], as `W.codes8` and `W.scales8`.
struct ByteRowEncoding: WeightEncoding {
    let shape: Shape

    var name: String { "I8/row" }
    var scalarType: ScalarType { .bf16 }
    var granularity: Int { shape.dimensions[1] }

    func decode(_ range: Range<Int>, of parts: StoredParts, into values: UnsafeMutableBufferPointer<Float>) throws(FileError) {
        let columns = shape.dimensions[1]
        precondition(range.lowerBound % columns == 0 && range.count % columns == 0, "\(range) is no whole rows of \(columns)")
        let codes = try parts.bytes(ofPart: 0, range)
        let scales = try parts.floats(ofPart: 1, range.lowerBound / columns..<range.upperBound / columns)
        for (index, code) in codes.enumerated() { values[index] = Float(Int8(bitPattern: code)) * scales[index / columns] }
    }
}

struct ByteRowLayout: TensorLayout {
    func find(in source: any TensorSource, _ context: LayoutContext) throws(FileError) -> LayoutFindings {
        var findings = LayoutFindings()
        for (index, info) in source.tensors.enumerated() where info.name.hasSuffix(".codes8") {
            let name = String(info.name.dropLast(".codes8".count))
            let scales = try context.requiredPlace(of: name + ".scales8", beside: index)
            findings.add(name, ByteRowEncoding(shape: info.shape), parts: [index, scales], place: index, context)
        }
        return findings
    }
}

/// A model of the fixtures with its linear layers in the toy encoding, and the same values as BF16.
struct ByteRowModel {
    let folder: TemporaryFolder
    let encoded: Checkpoint
    let dense: Checkpoint
    /// Of the weights in the encoding.
    let names: [String]

    /// - Parameter base: a folder of F32.
    init(_ base: String) throws {
        let checkpoint = try Checkpoint.open(base)
        var (encoded, dense): ([StoredTensor], [StoredTensor]) = ([], [])
        var names: [String] = []
        for (tensor, stored) in zip(checkpoint.tensors, try checkpoint.source.storedTensors()) {
            let parts = tensor.name.split(separator: ".")
            guard tensor.shape.dimensions.count == 2, parts.contains("layers") || parts.contains("h") else {
                encoded.append(stored)
                dense.append(stored)
                continue
            }
            names.append(tensor.name)
            let (outputs, inputs) = tensor.orientation.sizes(of: tensor.shape.dimensions)
            let elements = try checkpoint.reader(of: tensor, order: .outputsByInputs).allElements()
            var codes: [UInt8] = [], scales: [Float] = []
            // [out, in], and as the dense weight lies.
            var values = [Float](repeating: 0, count: elements.count)
            for output in 0..<outputs {
                let row = elements[output * inputs..<(output + 1) * inputs]
                // A power of two, so that the products are BF16 exactly.
                let scale = Float(sign: .plus, exponent: (row.map(\.magnitude).max() ?? 1).exponent - 6, significand: 1)
                scales.append(scale)
                for (input, element) in row.enumerated() {
                    let code = Int8(max(-127, min(127, (element / scale).rounded())))
                    codes.append(UInt8(bitPattern: code))
                    let place = tensor.orientation == .outputsByInputs ? output * inputs + input : input * outputs + output
                    values[place] = Float(code) * scale
                }
            }
            encoded.append(StoredTensor(tensor.name + ".codes8", .i8, [outputs, inputs], codes))
            encoded.append(StoredTensor(tensor.name + ".scales8", [outputs], scales))
            dense.append(
                StoredTensor(tensor.name, .bf16, tensor.shape.dimensions, bitPatterns: values.map { UInt16($0.bitPattern >> 16) }))
        }
        folder = try TemporaryFolder()
        try folder.write(encoded.safetensors(), to: "encoded.safetensors")
        try folder.makeFolder("dense")
        try folder.write(dense.safetensors(), to: "dense/model.safetensors")
        for file in checkpoint.files { try folder.write(try file.bytes(), to: "dense/\(file.name)") }
        self.dense = try Checkpoint.open(folder.path("dense"))
        self.encoded = try Checkpoint(
            path: folder.path("encoded.safetensors"), kind: .safetensors,
            source: try SafetensorsFile(path: folder.path("encoded.safetensors")),
            files: checkpoint.files, layouts: [any TensorLayout].known + [ByteRowLayout()])
        self.names = names
    }
}
