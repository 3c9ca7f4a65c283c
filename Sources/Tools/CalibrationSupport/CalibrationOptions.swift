package import CommandLineKit

extension Option {
    /// What a model is run on to see the inputs of its layers: `--calibrate`, which may be given several times.
    ///
    /// - Parameter use: what the text is for.
    package static func calibrate(use: String) -> Option {
        .path("calibrate", "FILE", help: "text, records as qtrain reads them, or 'default', \(use); several share equally").repeatable()
    }

    /// How much of the text is read: `--tokens`.
    ///
    /// - Parameter count: nil for as many as were read before.
    package static func calibrationTokens(_ count: Int?) -> Option {
        .integer(
            "tokens", in: 2...1 << 26, unit: "tokens", default: count, defaultText: count == nil ? "those of the merge" : nil,
            help: "how much of the text to read")
    }
}
