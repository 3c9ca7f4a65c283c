package import Architectures
package import ByteIO
import GGUFFormat
import JSONText
import TensorCore

/// An adapter as a GGUF file for programs that put it on a GGUF model of the same base.
///
/// B holds its own scale, and alpha is 0, by which readers multiply by nothing more: so ranks, `alpha_pattern` and `use_rslora` are right
/// in all of them, which know one alpha alone. Everything is F32.
package struct GGUFAdapterExport: Sendable {
    private struct Output {
        let planned: GGUFPlannedTensor
        let tensor: AdapterTensor
        let change: Change
    }

    private enum Change {
        case none
        /// [r, V] to [V, r].
        case transposed
        /// Rows in pairs where there is a head's width.
        case scaled(Float, headWidth: Int?)
    }

    private let adapter: Adapter
    private let outputs: [Output]
    private let metadata: [GGUFMetadata.Entry]
    /// Modules that are changed.
    package let moduleCount: Int

    /// - Parameters:
    ///   - model: what the base computes.
    ///   - name: `general.name`.
    /// - Throws: where the adapter does not fit, and where it does what such a file has no place for.
    package init(_ adapter: Adapter, for model: ModelDescription, basePath: String, name: String) throws(FileError) {
        guard let spelling = model.architecture.gguf else {
            throw FileError(
                basePath, "is a \(model.modelType), for which no GGUF file is written yet",
                hint: "these can be: \(Architecture.all.filter { $0.gguf != nil }.map(\.modelType).joined(separator: ", "))")
        }
        let placed = try adapter.placed(on: model, basePath: basePath)
        let binding = try AdapterBinding(placed, to: AdapterBase(model, path: basePath))
        if let index = binding.taskHeads.first { throw Self.refusal(placed, index, "is a head of a task") }
        let expected = model.expectedTensors
        var outputs: [Output] = []
        for target in binding.targets {
            outputs += try Self.outputs(of: target, expected[target.parameter], placed, model)
        }
        self.adapter = placed
        self.outputs = outputs
        moduleCount = binding.targets.count
        metadata = [
            .init(GGUFAdapterFile.Key.architecture, .string(spelling.name)), .init(GGUFAdapterFile.Key.type, .string("adapter")),
            .init(GGUFAdapterFile.Key.kind, .string("lora")), .init(GGUFAdapterFile.Key.name, .string(name)),
            .init(GGUFAdapterFile.Key.alpha, .f32(0)),
        ]
    }

    /// Both factors of a module.
    private static func outputs(
        of target: AdapterBinding.Target, _ parameter: ExpectedTensor, _ adapter: Adapter, _ model: ModelDescription
    ) throws(FileError) -> [Output] {
        let update: LowRankUpdate
        switch adapter.modules[target.module].change {
        case .replacement: throw refusal(adapter, target.module, "is replaced as a whole")
        case .rows: throw refusal(adapter, target.module, "has rows of its own for some tokens")
        case .experts: throw refusal(adapter, target.module, "is a parameter of all experts of a layer")
        case .linear(let factors):
            if factors.magnitude != nil { throw refusal(adapter, target.module, "is changed by DoRA") }
            if factors.bias != nil { throw refusal(adapter, target.module, "has a bias of its own ('lora_bias')") }
            update = factors
        case .embedding(let factors): update = factors
        }
        if target.table != nil { throw refusal(adapter, target.module, "has other tokens than the base") }
        let role = parameter.key.role
        guard !target.isTiedHead, role != .embedding || !model.head.isTied else {
            throw refusal(adapter, target.module, "is both embedding and output head of the base, of which the adapter changes one")
        }
        var isEmbedding = false
        if case .embedding = adapter.modules[target.module].change { isEmbedding = true }
        guard isEmbedding == (role == .embedding), role != .positions, !role.isNorm else {
            throw refusal(adapter, target.module, "is no linear layer and no embedding of tokens")
        }
        guard !role.isOfMixture else {
            throw refusal(adapter, target.module, "belongs to the experts of a layer, for which GGUF adapters have no place")
        }
        if role == .fusedQueryKeyValue, model.layers.first?.attention.projections == .grouped {
            throw refusal(adapter, target.module, "makes queries, keys and values in groups, whose rows lie in another order in GGUF files")
        }
        let isPaired = model.architecture.gguf?.pairsRows == true && (role == .query || role == .key)
        let headWidth = isPaired ? parameter.key.layer.map { model.layers[$0].attention.headWidth } : nil
        let name = model.nameInGGUF(parameter.key, .weight)
        return [
            output(name + GGUFAdapterFile.suffixes.a, update.a, isEmbedding ? .transposed : .none),
            output(name + GGUFAdapterFile.suffixes.b, update.b, .scaled(Float(update.scaling), headWidth: headWidth)),
        ]
    }

    private static func output(_ name: String, _ tensor: AdapterTensor, _ change: Change) -> Output {
        var dimensions = tensor.dimensions
        if case .transposed = change { dimensions.reverse() }
        guard let type = GGUFTensorType.scalar(.f32), let shape = Shape(dimensions) else { preconditionFailure("as many elements") }
        return Output(planned: GGUFPlannedTensor(name: name, type: type, shape: shape), tensor: tensor, change: change)
    }

    private static func refusal(_ adapter: Adapter, _ module: Int, _ reason: String) -> FileError {
        FileError(
            adapter.path, at: "module '\(JSONError.excerpt(adapter.modules[module].name))'",
            "\(reason), and a GGUF adapter has no place for that",
            hint: "merge the adapter into its base first, and make a GGUF file of the model")
    }

    // MARK: - Writing

    /// Writes the file, complete or not at all.
    ///
    /// - Parameter inputs: files that must not be replaced, beside those of the adapter.
    /// - Returns: its bytes.
    @discardableResult
    package func run(path: String, replaces: Bool, inputs: [InputFile] = []) throws(FileError) -> Int {
        let plan = try GGUFPlan(metadata: metadata, tensors: outputs.map(\.planned), path: path)
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: adapter.files + inputs)
        let writer = try GGUFWriter(file: output.file(), plan: plan)
        for (index, output) in outputs.enumerated() {
            let values = try values(of: output)
            try values.withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: index) }
        }
        try output.commit([writer.file])
        return plan.byteCount
    }

    private func values(of output: Output) throws(FileError) -> [Float] {
        let values = try adapter.values(of: output.tensor)
        let rows = output.tensor.dimensions[0], columns = output.tensor.dimensions[1]
        switch output.change {
        case .none: return values
        case .transposed:
            var turned = [Float](repeating: 0, count: values.count)
            for row in 0..<rows { for column in 0..<columns { turned[column * rows + row] = values[row * columns + column] } }
            return turned
        case .scaled(let scale, let headWidth):
            var scaled = values
            for row in 0..<rows {
                var target = row
                if let headWidth {
                    target = row / headWidth * headWidth + GGUFSpelling.pairedRow(row % headWidth, headWidth: headWidth)
                }
                for column in 0..<columns { scaled[target * columns + column] = values[row * columns + column] * scale }
            }
            if let element = scaled.firstIndex(where: { !$0.isFinite }) {
                throw FileError(
                    adapter.path, at: "tensor '\(JSONError.excerpt(output.tensor.info.name))'",
                    "times its scale, \(scale), element \(element) of '\(output.planned.name)' would be no finite number")
            }
            return scaled
        }
    }
}
