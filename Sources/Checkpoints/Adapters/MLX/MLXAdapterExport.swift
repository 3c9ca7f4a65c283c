package import ByteIO
import ContainerKit
import JSONText
import SafetensorsFormat
import TensorCore

/// An adapter as a folder that mlx-lm loads: `adapters.safetensors` and `adapter_config.json`.
///
/// mlx-lm knows one rank and one scale for all modules. Factors of a smaller rank get rows and columns of zeros, and where a module is
/// scaled otherwise than most, B holds the quotient: so ranks, `alpha_pattern` and `use_rslora` are followed, and what MLX computes is
/// the same.
package struct MLXAdapterExport: Sendable {
    private struct Module {
        /// `self_attn.q_proj`
        let key: String
        let name: String
        let update: LowRankUpdate
        /// What B is multiplied with.
        let factor: Float
    }

    private let adapter: Adapter
    private let modules: [Module]
    /// Of all modules.
    package let rank: Int
    package let scale: Double
    package let usesDoRA: Bool
    /// Modules whose B holds a part of the scale, or whose factors get zeros.
    package let adjustedCount: Int

    package var moduleCount: Int { modules.count }

    /// - Parameter adapter: placed on its base where it is a GGUF file with rows in pairs.
    /// - Throws: where the adapter does what such a folder has no place for.
    package init(_ adapter: Adapter) throws(FileError) {
        var updates: [(key: String, module: AdapterModule, update: LowRankUpdate)] = []
        for module in adapter.modules {
            switch module.change {
            case .replacement: throw Self.refusal(adapter, module, "is replaced as a whole")
            case .rows: throw Self.refusal(adapter, module, "has rows of its own for some tokens")
            case .embedding: throw Self.refusal(adapter, module, "is an embedding")
            case .experts: throw Self.refusal(adapter, module, "is a parameter of all experts of a layer")
            case .linear(let update):
                if update.bias != nil { throw Self.refusal(adapter, module, "has a bias of its own ('lora_bias')") }
                guard let key = Self.key(of: module.name) else {
                    throw Self.refusal(adapter, module, "is in no layer ('...layers.N.')")
                }
                updates.append((key, module, update))
            }
        }
        let scalings = updates.reduce(into: [Double: Int]()) { $0[$1.update.scaling, default: 0] += 1 }
        guard let scale = scalings.max(by: { ($0.value, $0.key) < ($1.value, $1.key) })?.key, let rank = updates.map(\.update.rank).max()
        else { throw FileError(adapter.path, "adapts no linear layer") }
        guard scale != 0 else { throw FileError(adapter.path, "is scaled by 0, so it changes nothing") }
        self.adapter = adapter
        self.scale = scale
        self.rank = rank
        usesDoRA = adapter.configuration.usesDoRA
        modules = updates.map { Module(key: $0.key, name: $0.module.name, update: $0.update, factor: Float($0.update.scaling / scale)) }
        adjustedCount = modules.count { $0.factor != 1 || $0.update.rank != rank }
    }

    /// What follows the number of the layer; nil of what is in none.
    private static func key(of module: String) -> String? {
        let parts = module.split(separator: ".", omittingEmptySubsequences: false)
        guard let layers = parts.firstIndex(of: "layers"), layers + 2 < parts.count, Int(parts[layers + 1]) != nil else { return nil }
        return parts[(layers + 2)...].joined(separator: ".")
    }

    private static func refusal(_ adapter: Adapter, _ module: AdapterModule, _ reason: String) -> FileError {
        FileError(
            adapter.path, at: "module '\(JSONError.excerpt(module.name))'", "\(reason), and an adapter of mlx-lm has no place for that",
            hint: "merge the adapter into its base first, and take the model to MLX")
    }

    // MARK: - Writing

    /// Writes the folder, complete or not at all.
    ///
    /// - Parameter inputs: files that must not be replaced, beside those of the adapter.
    /// - Returns: bytes of both files.
    @discardableResult
    package func run(path: String, replaces: Bool, inputs: [InputFile] = []) throws(FileError) -> Int {
        let output = try AtomicOutput(destination: path, isFolder: true, replaces: replaces, inputs: adapter.files + inputs)
        let file = try output.createFile(named: Adapter.mlxWeightsName)
        let plan = try plan()
        let infos = plan.map(\.info)
        let writer = try SafetensorsWriter(file: file, plan: infos, metadata: Self.metadata)
        for (index, planned) in plan.enumerated() {
            let values = try planned.values()
            var bytes = [UInt8](repeating: 0, count: planned.info.byteCount)
            var span = bytes.mutableSpan
            var destination = span.mutableBytes
            FloatConversion.narrow(values.span, to: planned.info.scalarType, into: &destination)
            try bytes.withBytes { bytes throws(FileError) in try writer.write(bytes, tensor: index) }
        }
        try writer.finish { _ in Self.metadata }
        let guide = try output.createFile(named: Adapter.configurationName)
        let text = Array((configuration.text(.indented) + "\n").utf8)
        try guide.write(text, atOffset: 0)
        try output.commit([file, guide])
        return writer.dataStart + infos.reduce(0) { $0 + $1.byteCount } + text.count
    }

    private static let metadata = [(key: "format", value: "mlx")]

    private var configuration: JSONValue {
        var object = JSONObject([
            "fine_tune_type": .string(usesDoRA ? "dora" : "lora"),
            "lora_parameters": .object([
                "dropout": .double(0), "keys": .strings(Set(modules.map(\.key)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }),
                "rank": .integer(rank), "scale": .double(scale),
            ]),
        ])
        if let model = adapter.configuration.baseModelName { object["model"] = .string(model) }
        // All of them: those without factors in the file keep B = 0, which changes nothing.
        object["num_layers"] = .integer(-1)
        return .object(object)
    }

    private struct Planned {
        let info: TensorInfo
        let values: () throws(FileError) -> [Float]
    }

    private func plan() throws(FileError) -> [Planned] {
        var planned: [Planned] = []
        for module in modules {
            let update = module.update
            planned.append(try self.planned(module.name + ".lora_a", [update.inputCount, rank], update.a, factor: 1))
            planned.append(try self.planned(module.name + ".lora_b", [rank, update.outputCount], update.b, factor: module.factor))
            guard let magnitude = update.magnitude else { continue }
            let info = try Self.info(module.name + ".m", magnitude.info.scalarType, magnitude.dimensions, adapter.path)
            planned.append(Planned(info: info) { () throws(FileError) in try adapter.values(of: magnitude) })
        }
        return planned
    }

    /// A factor turned, times a number, with zeros up to the rank.
    private func planned(_ name: String, _ dimensions: [Int], _ tensor: AdapterTensor, factor: Float) throws(FileError) -> Planned {
        let type = factor == 1 ? tensor.info.scalarType : .f32
        return Planned(info: try Self.info(name, type, dimensions, adapter.path)) { () throws(FileError) in
            let values = try adapter.values(of: tensor), (rows, columns) = (tensor.dimensions[0], tensor.dimensions[1])
            var turned = [Float](repeating: 0, count: dimensions[0] * dimensions[1])
            for row in 0..<rows {
                for column in 0..<columns { turned[column * dimensions[1] + row] = values[row * columns + column] * factor }
            }
            if let element = turned.firstIndex(where: { !$0.isFinite }) {
                throw FileError(
                    adapter.path, at: "tensor '\(JSONError.excerpt(tensor.info.name))'",
                    "times \(factor), element \(element) of '\(name)' would be no finite number")
            }
            return turned
        }
    }

    private static func info(_ name: String, _ type: ScalarType, _ dimensions: [Int], _ path: String) throws(FileError) -> TensorInfo {
        guard let shape = Shape(dimensions), let info = TensorInfo(name: name, scalarType: type, shape: shape) else {
            throw FileError(path, "'\(JSONError.excerpt(name))' of \(dimensions) is too large")
        }
        return info
    }
}
