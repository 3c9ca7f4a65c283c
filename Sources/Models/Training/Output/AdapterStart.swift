package import Adapters
package import ByteIO
import TensorCore
import Transformer

extension TrainableModel {
    /// Begins with the factors of an adapter instead of random ones.
    ///
    /// - Throws: where it has other modules, another rank or scaling, or anything that is not a plain low-rank update.
    package func start(from adapter: Adapter) throws(FileError) {
        guard case .lowRank(let settings, _) = tuning else { preconditionFailure("only LoRA begins with an adapter") }
        let adapter = try adapter.placed(on: configuration, basePath: "the base")
        func refuse(_ message: String) -> FileError { FileError(adapter.path, message) }
        var remaining = Set(tunedModules)
        for module in adapter.modules {
            guard case .linear(let update) = module.change, update.bias == nil, update.magnitude == nil else {
                throw refuse("changes '\(module.name)' by more than low-rank factors, which cannot be trained further")
            }
            guard remaining.remove(module.name) != nil else {
                throw refuse("has factors of '\(module.name)', which this run does not tune; see `isTarget`")
            }
            guard update.a.info.shape.dimensions.first == settings.rank else {
                throw refuse("has rank \(update.a.info.shape.dimensions.first ?? 0), but `rank` is \(settings.rank)")
            }
            let scaling = adapter.configuration.scaling(of: module.name)
            guard scaling == settings.scaling else {
                throw refuse("scales its updates by \(scaling), but `alpha` and `rank` make that \(settings.scaling)")
            }
            try copy(try adapter.values(of: update.a), to: LowRankFactor(module: module.name, kind: .a).name, adapter)
            try copy(try adapter.values(of: update.b), to: LowRankFactor(module: module.name, kind: .b).name, adapter)
        }
        guard let missing = remaining.min() else { return }
        throw refuse("has no factors of '\(missing)', which this run tunes; see `isTarget`")
    }

    private func copy(_ values: [Float], to name: String, _ adapter: Adapter) throws(FileError) {
        guard let slot = parameters.slots.firstIndex(where: { $0.name == name }), parameters.slots[slot].count == values.count else {
            throw FileError(adapter.path, at: "tensor '\(name)'", "has \(values.count) elements, but the base's layer takes others")
        }
        parameters.value(slot).update(from: values, count: values.count)
    }
}
