import Architectures

/// What a scaling of rotations says of itself, as config.json calls it.
struct RotaryFacts {
    let name: String
    private(set) var factor: Double?
    private(set) var originalContextLength: Double?

    init(_ scaling: RotaryScaling) {
        switch scaling {
        case .none: name = "default"
        case .linear(let factor): (name, self.factor) = ("linear", factor)
        case .dynamic(let factor, let length): (name, self.factor, originalContextLength) = ("dynamic", factor, length)
        case .llama3(let factor, _, _, let original): (name, self.factor, originalContextLength) = ("llama3", factor, original)
        case .yarn(let settings): (name, factor, originalContextLength) = ("yarn", settings.factor, settings.originalContextLength)
        case .longrope(let settings): (name, originalContextLength) = ("longrope", settings.originalContextLength)
        case .proportional(_, let factor): (name, self.factor) = ("proportional", factor)
        }
    }
}
