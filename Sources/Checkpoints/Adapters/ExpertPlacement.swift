import Architectures
import ByteIO
import JSONText
import TensorCore

extension Adapter {
    /// The same for a base: factors of parameters that hold all experts of a layer become those of each expert.
    ///
    /// Only the base says how many experts there are, and under which names it has them.
    ///
    /// - Parameter model: what the base computes; nil where nothing says it.
    /// - Throws: where the parameters are not those of experts, or their shapes do not fit.
    func withExpertsApart(on model: ModelDescription?, basePath: String) throws(FileError) -> Adapter {
        var wrapped: [String: [ExpertUpdate]] = [:]
        for module in modules { if case .experts(let update) = module.change { wrapped[module.name, default: []].append(update) } }
        guard !wrapped.isEmpty else { return self }
        guard let model else {
            throw FileError(
                path, "adapts parameters of experts ('target_parameters'), but nothing says which experts \(basePath) has",
                hint: "a config.json of a known architecture beside the base says it")
        }
        var placement = ExpertPlacement(self, model, basePath)
        for (name, updates) in wrapped.sorted(by: { $0.key < $1.key }) { try placement.add(name, updates) }
        var copy = self
        copy.modules = modules.filter { if case .experts = $0.change { false } else { true } } + placement.modules
        copy.source = AdapterSource(
            stored: ExpertTensors(source.stored, slices: placement.slices, checksums: source.checksums), checksums: source.checksums)
        return copy
    }
}

/// Takes factors of stacked experts apart, as PEFT puts them together.
///
///     parameter of transformers     E matrices [out, in], or of some families [in, out]
///     A [E r, in]                   rows of an expert lie together
///     B [out, E r]                  column k E + e is factor k of expert e
private struct ExpertPlacement {
    private let adapter: Adapter
    private let model: ModelDescription
    private let basePath: String
    private(set) var modules: [AdapterModule] = []
    private(set) var slices: [ExpertSlice] = []

    /// In the order in which a module of experts has them: PEFT wraps the first one first, so that it lies innermost.
    private static let parameters = ["gate_up_proj", "down_proj"]

    init(_ adapter: Adapter, _ model: ModelDescription, _ basePath: String) {
        self.adapter = adapter
        self.model = model
        self.basePath = basePath
    }

    mutating func add(_ name: String, _ updates: [ExpertUpdate]) throws(FileError) {
        let layer = model.layers.indices.first { name.utf8.starts(with: model.spelling.layerPrefix($0).utf8) }
        guard let layer, let mixture = model.layers[layer].feedForward.mixture else {
            throw refusal("adapts '\(JSONError.excerpt(name))', but \(basePath) has no experts there")
        }
        let targets = adapter.configuration.targetParameters
        let named = Self.parameters.filter { parameter in
            targets.contains { "\(name).\(parameter)" == $0 || "\(name).\(parameter)".hasSuffix("." + $0) }
        }
        guard named.count == updates.count else {
            throw refusal(
                "has factors of \(updates.count) parameters of '\(JSONError.excerpt(name))', but 'target_parameters' names \(named.count) of "
                    + "those that can be adapted, \(Self.parameters.joined(separator: " and "))")
        }
        for (parameter, update) in zip(named, updates.sorted { $0.depth > $1.depth }) {
            try add("\(name).\(parameter)", update, layer, mixture, isDown: parameter == Self.parameters[1])
        }
    }

    private mutating func add(
        _ parameter: String, _ update: ExpertUpdate, _ number: Int, _ mixture: Mixture, isDown: Bool
    ) throws(FileError) {
        let layer = model.layers[number], count = mixture.expertCount
        let roles: [TensorRole] =
            isDown ? [.expertDown] : mixture.storage == .separate ? [.expertGate, .expertUp] : [.expertGateUp]
        let linear = layer.linear(roles[0], width: model.width), outputs = linear.outputs * roles.count
        // Of these transformers does not say that they lie as [in, out]: PEFT takes their inputs for outputs.
        let isTurned = mixture.storage == .stacked(.inputsByOutputs, alternates: false)
        let rank = adapter.configuration.rank(of: parameter), alpha = adapter.configuration.alpha(of: parameter)
        let (sum, overflows) = rank.multipliedReportingOverflow(by: count)
        let expected = isTurned ? ([sum, outputs], [linear.inputs, sum]) : ([sum, linear.inputs], [outputs, sum])
        guard !overflows, update.a.dimensions == expected.0, update.b.dimensions == expected.1 else {
            throw refusal(
                "has factors \(update.a.info.shape) and \(update.b.info.shape) of '\(JSONError.excerpt(parameter))', but for \(count) experts "
                    + "with rank \(rank) in \(basePath) they are \(expected.0) and \(expected.1)")
        }
        for expert in 0..<count {
            for (index, role) in roles.enumerated() {
                let separate = model.spelling.module(ModuleKey(role, layer: number, expert: mixture.storage == .separate ? expert : nil))
                let name = mixture.storage == .separate ? separate : "\(separate).\(expert)"
                let first = index * linear.outputs
                let a = ExpertSlice.Place(
                    tensor: isTurned ? update.b : update.a, start: isTurned ? expert : expert * rank * linear.inputs,
                    rowStep: isTurned ? count : linear.inputs, columnStep: isTurned ? sum : 1)
                let b = ExpertSlice.Place(
                    tensor: isTurned ? update.a : update.b, start: isTurned ? expert * rank * outputs : first * sum + expert,
                    rowStep: isTurned ? 1 : sum, columnStep: isTurned ? outputs : count)
                let factors = LowRankUpdate(
                    a: try slice("\(name).lora_A.weight", a, [rank, linear.inputs]),
                    b: try slice("\(name).lora_B.weight", b, [linear.outputs, rank]), alpha: alpha,
                    scaling: adapter.configuration.scaling(rank: rank, alpha: alpha), bias: nil, magnitude: nil, baseCopy: nil)
                modules.append(AdapterModule(name: name, change: .linear(factors)))
            }
        }
    }

    private mutating func slice(_ name: String, _ place: ExpertSlice.Place, _ dimensions: [Int]) throws(FileError) -> AdapterTensor {
        guard let shape = Shape(dimensions),
            let info = TensorInfo(name: ModuleCollector.prefix + name, scalarType: place.tensor.info.scalarType, shape: shape)
        else { throw refusal("has factors \(dimensions) of '\(JSONError.excerpt(name))', which are more than can be counted") }
        slices.append(ExpertSlice(place: place, info: info))
        return AdapterTensor(index: adapter.tensors.count + slices.count - 1, info: info)
    }

    private func refusal(_ message: String) -> FileError {
        FileError(
            adapter.path, message,
            hint: adapter.configuration.baseModelName.map { "it was trained on '\(JSONError.excerpt($0))'" })
    }
}
