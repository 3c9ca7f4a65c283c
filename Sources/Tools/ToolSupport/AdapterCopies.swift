package import Adapters
package import Checkpoints
package import CommandLineKit
import Quantization
import TensorCore

extension Console {
    /// Says so where an adapter holds a copy of a weight of the base with other values than the base has.
    ///
    /// PEFT saves such copies beside adapters of embeddings and heads, and puts them in place of the base's when it loads them. Here
    /// the base's own weight stays. Rounding to 16 bits, as another type of the same base would have it, is no difference.
    package func warnOfCopies(in adapter: Adapter, for base: Checkpoint) throws {
        for module in adapter.modules {
            let name = module.parameterName
            guard let tensor = base.tensors.first(where: { $0.name == name || name.hasSuffix("." + $0.name) }),
                case .plain(let stored) = tensor.storage
            else { continue }
            for copy in [module.update?.baseCopy, module.table].compactMap({ $0 }) where copy.info.shape == tensor.shape {
                let isSame = try adapter.source.holdsSameValues(copy.index, as: base.source, stored) { a, b in
                    (a - b).magnitude <= max(a.magnitude, b.magnitude) / 128 + 0x1p-24
                }
                if isSame { continue }
                warning(
                    "\(adapter.path) holds a '\(name)' of its own, which differs from the base's and is not used; PEFT would use it",
                    hint: "the adapter was made on another base; put that tensor into the base first, or take the base it was made on")
            }
        }
    }
}
