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
        var remaining = Set(places.layerNames), shared: [Int: [Float]] = [:]
        for module in adapter.modules {
            guard case .linear(let update) = module.change, update.bias == nil, update.magnitude == nil else {
                throw refuse("changes '\(module.name)' by more than low-rank factors, which cannot be trained further")
            }
            guard remaining.remove(module.name) != nil, let place = places[module.name] else {
                throw refuse("has factors of '\(module.name)', which this run does not tune; see `isTarget`")
            }
            guard update.rank == settings.rank else {
                throw refuse("has rank \(update.rank), but `rank` is \(settings.rank)")
            }
            guard update.scaling == settings.scaling else {
                throw refuse("scales its updates by \(update.scaling), but `alpha` and `rank` make that \(settings.scaling)")
            }
            let a = try adapter.values(of: update.a)
            // Gate and up of an expert multiply by one A.
            let key = place.a.slot << 32 + place.a.start
            guard shared[key].map({ $0 == a }) ?? true else {
                throw refuse("has a lora_A of its own for '\(module.name)', where gate and up of an expert are to have one")
            }
            shared[key] = a
            try copy(a, to: place.a, update.a, adapter)
            try copy(try adapter.values(of: update.b), to: place.b, update.b, adapter)
        }
        guard let missing = remaining.min() else { return }
        throw refuse("has no factors of '\(missing)', which this run tunes; see `isTarget`")
    }

    private func copy(_ values: [Float], to part: FactorPlace.Part, _ tensor: AdapterTensor, _ adapter: Adapter) throws(FileError) {
        guard part.count == values.count else {
            throw FileError(
                adapter.path, at: "tensor '\(tensor.info.name)'", "has \(values.count) elements, but the base's layer takes \(part.count)")
        }
        (parameters.value(part.slot) + part.start).update(from: values, count: values.count)
    }
}
