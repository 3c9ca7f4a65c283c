package import Adapters
import ByteIO
import JSONText
import LinearAlgebra
import Streaming
import TensorCore

/// One adapter made of several, without a base.
package struct AdapterCombination: Sendable {
    package enum Method: Sendable, Hashable {
        /// Factors beside each other: the sum of the deltas exactly, at the sum of the ranks.
        case cat
        /// Sums of factors, as PEFT's `linear`: A = sum of sign * sqrt(|w s|) A_i, B likewise without the sign. Products of factors of
        /// different adapters come in: the sum of the deltas only where they are alike.
        case linear
        /// The sum of the deltas, cut to a rank by its singular values.
        case svd(rank: Int)
    }

    package struct Row: Sendable {
        package let module: String
        package let rank: Int
        /// Share of the squared norm of the summed deltas that is left; nil of `linear`, which is no approximation of it.
        package let keptEnergy: Double?
    }

    /// A module with what each adapter that has it adds.
    private struct Module {
        let name: String
        let isEmbedding: Bool
        var parts: [(adapter: WeightedAdapter, update: LowRankUpdate)]
        var rank = 0
    }

    private let adapters: [WeightedAdapter]
    private let method: Method
    private let modules: [Module]

    /// - Throws: where an adapter has more than low-rank factors, or their shapes do not belong together.
    package init(_ adapters: [WeightedAdapter], method: Method) throws {
        precondition(!adapters.isEmpty, "a combination has an adapter")
        var modules: [ByteKey: Module] = [:]
        for weighted in adapters {
            for module in weighted.adapter.modules {
                let update = try Self.update(module, weighted.adapter)
                var isEmbedding = false
                if case .embedding = module.change { isEmbedding = true }
                var entry = modules[ByteKey(module.name)] ?? Module(name: module.name, isEmbedding: isEmbedding, parts: [])
                if let first = entry.parts.first {
                    guard entry.isEmbedding == isEmbedding, first.update.inputCount == update.inputCount,
                        first.update.outputCount == update.outputCount
                    else { throw Self.mismatch(module.name, first, (weighted, update)) }
                    if method == .linear, first.update.rank != update.rank {
                        throw OperationError(
                            "'\(module.name)' has rank \(first.update.rank) in \(first.adapter.adapter.path), but \(update.rank) in "
                                + "\(weighted.adapter.path), and factors are added up only where they are equal",
                            hint: "`combination` cat, or svd, takes any ranks")
                    }
                }
                entry.parts.append((weighted, update))
                modules[ByteKey(module.name)] = entry
            }
        }
        try Self.checkFamily(adapters)
        self.adapters = adapters
        self.method = method
        self.modules = modules.values.map { Self.ranked($0, method) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Writes a `.lora` file, complete or not at all.
    package func run(path: String, replaces: Bool, tool: String, progress: (Int) -> Void = { _ in }) throws -> [Row] {
        let plan = AdapterPlan(
            configuration: try configuration(), tensors: modules.flatMap(infos), baseFingerprint: commonFingerprint, tool: tool)
        let output = try AtomicOutput(destination: path, replaces: replaces, inputs: adapters.flatMap(\.adapter.files))
        let writer = try AdapterWriter(.lora, of: plan, to: output)
        let places = Dictionary(uniqueKeysWithValues: plan.tensors.enumerated().map { (ByteKey($1.name), $0) })
        var rows: [Row] = []
        for module in modules {
            let (b, a, energy) = try factors(module)
            for (info, matrix) in zip(infos(module), [a, b]) {
                guard let index = places[ByteKey(info.name)] else { preconditionFailure("the plan has every factor") }
                try writer.write(matrix.elements, tensor: index)
            }
            rows.append(Row(module: module.name, rank: module.rank, keptEnergy: energy))
            progress(1)
        }
        try output.commit(writer.finish())
        return rows
    }

    package var moduleCount: Int { modules.count }

    // MARK: - Planning

    private static func update(_ module: AdapterModule, _ adapter: Adapter) throws -> LowRankUpdate {
        guard let update = module.update, update.magnitude == nil, update.bias == nil else {
            let isOfExperts = if case .experts = module.change { true } else { false }
            let what =
                isOfExperts
                ? "factors of all experts together"
                : module.update == nil ? "a replaced parameter" : module.update?.bias == nil ? "DoRA" : "a bias"
            throw OperationError(
                "\(adapter.path) has \(what) at '\(module.name)', which is no product of factors and cannot be combined",
                hint: "merge the adapters into a base one after the other")
        }
        return update
    }

    /// Adapters may change different modules, but of one model: the names of layers begin alike.
    private static func checkFamily(_ adapters: [WeightedAdapter]) throws {
        let layers = adapters.compactMap { weighted -> (path: String, name: String, root: Substring)? in
            for module in weighted.adapter.modules {
                let parts = module.name.split(separator: ".")
                guard parts.count > 2, parts.contains(where: { Int($0) != nil }) else { continue }
                return (weighted.adapter.path, module.name, parts[0])
            }
            return nil
        }
        guard let first = layers.first, let other = layers.first(where: { $0.root != first.root }) else { return }
        throw OperationError(
            "\(other.path) is for another family than \(first.path): it changes '\(other.name)', the other '\(first.name)'",
            hint: "adapters of different bases cannot be combined")
    }

    private static func ranked(_ module: Module, _ method: Method) -> Module {
        var module = module
        let sum = module.parts.reduce(0) { $0 + $1.update.rank }
        switch method {
        case .cat: module.rank = sum
        case .linear: module.rank = module.parts[0].update.rank
        case .svd(let rank): module.rank = min(rank, sum, module.parts[0].update.inputCount, module.parts[0].update.outputCount)
        }
        return module
    }

    private func infos(_ module: Module) -> [TensorInfo] {
        let update = module.parts[0].update
        let factors: [(AdapterPlan.Factor, [Int])] = [
            (module.isEmbedding ? .embeddingA : .a, [module.rank, update.inputCount]),
            (module.isEmbedding ? .embeddingB : .b, [update.outputCount, module.rank]),
        ]
        return factors.map { factor, dimensions in
            guard let shape = Shape(dimensions),
                let info = TensorInfo(name: AdapterPlan.name(of: module.name, factor), scalarType: .f32, shape: shape)
            else { preconditionFailure("factors of adapters that exist have a possible size") }
            return info
        }
    }

    private func configuration() throws(FileError) -> AdapterConfiguration {
        try AdapterConfiguration.combined(
            modules: modules.map { ($0.name, $0.rank) }, fanInFanOut: adapters.allSatisfy(\.adapter.configuration.fanInFanOut),
            baseModelName: common { $0.configuration.baseModelName })
    }

    private var commonFingerprint: String? { common(\.baseFingerprint) }

    /// What all adapters say alike.
    private func common(_ value: (Adapter) -> String?) -> String? {
        let first = value(adapters[0].adapter)
        return adapters.allSatisfy { value($0.adapter) == first } ? first : nil
    }

    private static func mismatch(
        _ name: String, _ a: (adapter: WeightedAdapter, update: LowRankUpdate), _ b: (adapter: WeightedAdapter, update: LowRankUpdate)
    ) -> OperationError {
        OperationError(
            "'\(name)' is [\(a.update.outputCount), \(a.update.inputCount)] in \(a.adapter.adapter.path), but [\(b.update.outputCount), "
                + "\(b.update.inputCount)] in \(b.adapter.adapter.path)", hint: "adapters of different bases cannot be combined")
    }

    // MARK: - Factors

    /// B and A of a module with the scaling in them, so that theirs is 1.
    private func factors(_ module: Module) throws -> (b: Matrix, a: Matrix, keptEnergy: Double?) {
        var left: [Matrix] = [], right: [Matrix] = []
        for part in module.parts {
            let scale = part.update.scaling * part.adapter.weight
            let a = try matrix(part.update.a, of: part.adapter.adapter), b = try matrix(part.update.b, of: part.adapter.adapter)
            if method == .linear {
                let root = Float(scale.magnitude.squareRoot())
                right.append(a.scaled(by: scale < 0 ? -root : root))
                left.append(b.scaled(by: root))
            } else {
                right.append(a.scaled(by: Float(scale)))
                left.append(b)
            }
        }
        switch method {
        case .linear: return (Self.sum(left), Self.sum(right), nil)
        case .cat: return (Matrix(besideEachOther: left), Matrix(stacked: right), 1)
        case .svd:
            do throws(LinearAlgebraError) {
                let cut = try LowRankProduct(
                    truncating: Matrix(besideEachOther: left), Matrix(stacked: right), toRank: module.rank)
                return (cut.left, cut.right, cut.keptEnergy)
            } catch { throw OperationError("'\(module.name)': \(error.description)") }
        }
    }

    private func matrix(_ tensor: AdapterTensor, of adapter: Adapter) throws(FileError) -> Matrix {
        Matrix(rows: tensor.dimensions[0], columns: tensor.dimensions[1], elements: try adapter.values(of: tensor))
    }

    private static func sum(_ matrices: [Matrix]) -> Matrix {
        var sum = matrices[0]
        for matrix in matrices.dropFirst() { for index in sum.elements.indices { sum.elements[index] += matrix.elements[index] } }
        return sum
    }
}

extension AdapterConfiguration {
    /// Of an adapter whose factors hold all of their scaling: `lora_alpha` is the rank of each module.
    static func combined(
        modules: [(name: String, rank: Int)], fanInFanOut: Bool, baseModelName: String?, others: [(key: String, value: JSONValue)] = []
    ) throws(FileError) -> AdapterConfiguration {
        let rank = modules.map(\.rank).max() ?? 1
        let exceptions = modules.filter { $0.rank != rank }
        return try AdapterConfiguration(
            rank: rank, alpha: Double(rank), targetModules: modules.map(\.name), rankPattern: exceptions.map { ($0.name, $0.rank) },
            alphaPattern: exceptions.map { ($0.name, Double($0.rank)) }, fanInFanOut: fanInFanOut,
            others: [("base_model_name_or_path", baseModelName.map { .string($0) } ?? .null)] + others)
    }
}
