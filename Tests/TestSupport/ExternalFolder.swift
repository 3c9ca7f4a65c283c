import ByteIO
import Glibc

/// A folder of files of others, which are not part of the project: there only where an environment variable names its parent.
///
///     QNF_DATA                chat-templates, llama-stories260k, tensorflow/..., tokenizers
///     QNF_ARCHITECTURES       NAME/full, a model of many families each, and NAME/bnb4-f32, its 4-bit twin
///     QNF_TOKENIZER_VECTORS   random texts with the ids of other tokenizers
package struct ExternalFolder: Sendable {
    /// Nil where it is not at hand.
    package let path: String?
    /// Why tests of it are skipped.
    package let absence: String

    package init(_ name: String = "", in variable: String = "QNF_DATA") {
        let path = getenv(variable).map { FilePath.join(String(cString: $0), name) }
        self.path = path.flatMap { FilePath.kind(of: $0) == .folder ? $0 : nil }
        absence = "\(variable) names no folder" + (name.isEmpty ? "" : " with \(name)")
    }

    package var isPresent: Bool { path != nil }

    /// - Throws: where it is absent.
    package func required() throws -> String {
        guard let path else { throw SupportError(absence) }
        return path
    }
}
