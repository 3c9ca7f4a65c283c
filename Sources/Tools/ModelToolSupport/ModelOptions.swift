package import CommandLineKit
package import ToolSupport
package import Transformer

/// Which model a command line names, and how it is to be opened.
package struct ModelOptions: Sendable {
    package var path: String
    /// As they were asked for: `FILE` or `FILE@WEIGHT`.
    package var adapters: [String] = []
    /// Whose tokenizer is used where an adapter brings its own; nil for what `AdapterTokenizer` makes of it.
    package var tokenizer: AdapterTokenizer.Choice?
    /// Whether the weights are compared with their checksums first.
    package var verifies = false
    /// Nil for all processors.
    package var threadCount: Int?
    /// How keys and values are kept; nil for F32 where everything is exact, else F16.
    package var cacheType: CacheType?

    package init(path: String, adapters: [String] = [], tokenizer: String? = nil, threadCount: Int? = nil) {
        self.path = path
        self.adapters = adapters
        self.tokenizer = tokenizer.flatMap(AdapterTokenizer.Choice.init)
        self.threadCount = threadCount
    }
}

extension Option {
    /// `--tokenizer` of tools that put adapters on a model.
    package static func tokenizer(help: String) -> Option {
        .choice("tokenizer", ["adapter", "base"], defaultText: "the base's, unless an adapter has other tokens", help: help)
    }

    /// `--cache`, or one for each of several models.
    package static func cache(_ name: String = "cache", defaultText: String, help: String) -> Option {
        .choice(name, CacheType.allCases.map(\.rawValue), defaultText: defaultText, help: help)
    }
}
