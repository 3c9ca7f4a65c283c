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

    init(_ adapter: Adapter, _ model: ModelDescription, _ basePath: String) {
        self.adapter = adapter
        self.model = model
        self.basePath = basePath
    }

    mutating func add(_ name: String, _ updates: [ExpertUpdate]) throws(FileError) {
        let layer = model.layers.indices.first { name.utf8.starts(with: model.spelling.layerPrefix($0).utf8) }
        let parameters = layer.map { model.expertParameters(layer: $0, module: name) } ?? []
        guard !parameters.isEmpty else {
            throw refusal("adapts '\(JSONError.excerpt(name))', but \(basePath) has no experts there")
        }
        let targets = adapter.configuration.targetParameters
        let named = parameters.filter { parameter in targets.contains { parameter.name == $0 || parameter.name.hasSuffix("." + $0) } }
        guard named.count == updates.count else {
            throw refusal(
                "has factors of \(updates.count) parameters of '\(JSONError.excerpt(name))', but 'target_parameters' names \(named.count) of "
                    + "those that can be adapted, \(ExpertParameter.names.joined(separator: " and "))")
        }
        for (parameter, update) in zip(named, updates.sorted { $0.depth > $1.depth }) { try add(parameter, update) }
    }

    private mutating func add(_ parameter: ExpertParameter, _ update: ExpertUpdate) throws(FileError) {
        let (inputs, outputs, count) = (parameter.inputs, parameter.outputs, parameter.expertCount), isTurned = parameter.isTurned
        let rank = adapter.configuration.rank(of: parameter.name), alpha = adapter.configuration.alpha(of: parameter.name)
        let (sum, overflows) = rank.multipliedReportingOverflow(by: count)
        let expected = isTurned ? ([sum, outputs], [inputs, sum]) : ([sum, inputs], [outputs, sum])
        guard !overflows, update.a.dimensions == expected.0, update.b.dimensions == expected.1 else {
            throw refusal(
                "has factors \(update.a.info.shape) and \(update.b.info.shape) of '\(JSONError.excerpt(parameter.name))', but for \(count) experts "
                    + "with rank \(rank) in \(basePath) they are \(expected.0) and \(expected.1)")
        }
        for expert in 0..<count {
            for (index, role) in parameter.roles.enumerated() {
                let name = parameter.layerName(role, expert: expert), first = index * parameter.outputsOfRole
                let a = ExpertSlice.Place(
                    tensor: isTurned ? update.b : update.a, start: isTurned ? expert : expert * rank * inputs,
                    rowStep: isTurned ? count : inputs, columnStep: isTurned ? sum : 1)
                let b = ExpertSlice.Place(
                    tensor: isTurned ? update.a : update.b, start: isTurned ? expert * rank * outputs : first * sum + expert,
                    rowStep: isTurned ? 1 : sum, columnStep: isTurned ? outputs : count)
                let factors = LowRankUpdate(
                    a: try slice("\(name).lora_A.weight", a, [rank, inputs]),
                    b: try slice("\(name).lora_B.weight", b, [parameter.outputsOfRole, rank]), alpha: alpha,
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
