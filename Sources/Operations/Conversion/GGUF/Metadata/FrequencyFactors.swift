import Architectures
import Platform

/// The tensor that says how a model slows down its rotations: by what each frequency is divided.
///
///     factor(i) = frequency(i) without scaling / frequency(i) with it,        i < D / 2
///
/// In single precision, as converters compute it in PyTorch. LongRoPE has such factors in config.json, for contexts of two kinds.
enum FrequencyFactors {
    /// The tensors of a model's factors, by name in the order of a file; none for most models.
    static func tensors(of description: ModelDescription) -> [GGUFFactors] {
        if let factors = ofModel(description) { return [GGUFFactors(name: GGUFSpelling.frequencyFactors, values: factors)] }
        guard case .longrope(let settings)? = rotary(of: description)?.scaling else { return [] }
        return [
            GGUFFactors(name: GGUFSpelling.longFactors, values: settings.longFactors.map { Float($0) }),
            GGUFFactors(name: GGUFSpelling.shortFactors, values: settings.shortFactors.map { Float($0) }),
        ]
    }

    /// The factors of a model that scales as Llama 3.1 does; nil of others.
    static func ofModel(_ description: ModelDescription) -> [Float]? {
        guard let width = description.layers.first?.attention.headWidth, let rotary = rotary(of: description),
            case .llama3(let factor, let low, let high, let original) = rotary.scaling
        else { return nil }
        let pretraining = Float(original), divisor = Float(factor)
        return (0..<width / 2).map { pair in
            let frequency = 1 / powf(Float(rotary.theta), Float(2 * pair) / Float(width))
            let wavelength = Float(2 * Double.pi) / frequency
            if wavelength < Float(original / high) { return 1 }
            if wavelength > Float(original / low) { return divisor }
            let share = (pretraining / wavelength - Float(low)) / Float(high - low)
            return 1 / ((1 - share) / divisor + share)
        }
    }

    /// The rotation that keys speak of: that of layers that see everything, where there are any.
    static func rotary(of description: ModelDescription) -> RotaryEmbedding? {
        (description.layers.first { $0.attention.window == nil } ?? description.layers.first)?.attention.rotary
    }
}

/// A tensor of factors by which frequencies are divided, [R / 2], F32: it belongs to no module.
package struct GGUFFactors: Sendable, Hashable {
    package let name: String
    package let values: [Float]

    package init(name: String, values: [Float]) {
        self.name = name
        self.values = values
    }
}
