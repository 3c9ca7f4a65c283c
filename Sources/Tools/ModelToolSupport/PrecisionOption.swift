package import CommandLineKit
package import Transformer

extension Option {
    /// `--precision` of tools that run models.
    package static func precision(default value: MatrixEngine.Precision, help: String) -> Option {
        .choice("precision", MatrixEngine.Precision.allCases.map(\.rawValue), defaultText: value.rawValue, help: help)
    }
}

extension ParsedArguments {
    /// What `--precision` asks for; nil for the default.
    package var precision: MatrixEngine.Precision? { string("precision").flatMap(MatrixEngine.Precision.init) }
}
