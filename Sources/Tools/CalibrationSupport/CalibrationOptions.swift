package import CommandLineKit

extension Option {
    /// What a model is run on to see the inputs of its layers.
    ///
    /// - Parameters:
    ///   - use: what the text is for.
    ///   - tokens: how many are read.
    package static func calibration(use: String, tokens: Int?) -> [Option] {
        [
            .path("calibrate", "FILE", help: "text, records as qtrain reads them, or 'default', \(use); several share equally")
                .repeatable(),
            .integer(
                "tokens", in: 1024...1 << 24, unit: "tokens", default: tokens, defaultText: tokens == nil ? "those of the merge" : nil,
                help: "how much of the text to read"),
        ]
    }
}
