import Architectures
import ByteIO
import JSONText

extension GGUFAdapterFile {
    /// Comparisons of a module's name with a pattern that a file may ask for; an adapter of all layers that are each an exception takes a
    /// million in a model of a hundred.
    private static let comparisonLimit = 1 << 21

    /// What PEFT would say of such an adapter.
    ///
    /// Programs that read GGUF adapters multiply B @ A by alpha / r, r being each module's own rank, and by 1 where alpha is 0: then
    /// `lora_alpha` is the rank.
    static func configuration(
        _ modules: [Module], alpha: Float, _ spelling: Spelling, path: String
    ) throws(FileError) -> AdapterConfiguration {
        let counts = modules.reduce(into: [Int: Int]()) { $0[$1.rank, default: 0] += 1 }
        let rank = counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 1
        let exceptions = modules.filter { $0.rank != rank }
        guard exceptions.count <= comparisonLimit / modules.count else {
            throw FileError(
                path, "\(exceptions.count) of \(modules.count) modules have another rank than \(rank), which is more than is read")
        }
        return try AdapterConfiguration(
            rank: rank, alpha: alpha == 0 ? Double(rank) : Double("\(alpha)") ?? Double(alpha),
            targetModules: targets(modules, spelling), rankPattern: exceptions.map { ($0.name, $0.rank) },
            alphaPattern: alpha == 0 ? exceptions.map { ($0.name, Double($0.rank)) } : [], fanInFanOut: spelling.hasConv1D)
    }

    /// Names within a layer where every layer has all of them, which PEFT finds by the end of their names; else whole names.
    private static func targets(_ modules: [Module], _ spelling: Spelling) -> [String] {
        let layers = Set(modules.compactMap(\.key.layer))
        let counts = modules.reduce(into: [TensorRole: Int]()) { $0[$1.key.role, default: 0] += 1 }
        let isEven = counts.allSatisfy { !$0.key.isInLayer || $0.value == layers.count } && (layers.max() ?? -1) == layers.count - 1
        return (isEven ? counts.keys.map(spelling.name) : modules.map(\.name)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
