package import ByteIO
package import TensorCore

/// A kind of file, as a row of the table of all kinds that are known: how it is recognised, and what opening one gives.
///
/// Files that are known and not read are rows, too: opening one throws what it is and which step to take.
package struct ContainerFormat: Sendable {
    /// For messages and for those who look for a row: `safetensors`, `GGUF`.
    package let name: String
    package let recognizes: @Sendable (FileProbe) -> Bool
    /// - Throws: what is wrong with a file of this kind; of a kind that is not read, always.
    package let open: @Sendable (FileProbe) throws(FileError) -> any TensorSource
    /// What is said of a file of a kind that is not read; nil of those that are.
    package let refusal: (@Sendable (FileProbe) -> FileError)?

    /// A kind that is read.
    package init(
        _ name: String, recognizes: @escaping @Sendable (FileProbe) -> Bool,
        open: @escaping @Sendable (FileProbe) throws(FileError) -> any TensorSource
    ) {
        self.name = name
        self.recognizes = recognizes
        self.open = open
        refusal = nil
    }

    /// A kind that is not read.
    ///
    /// - Parameters:
    ///   - description: what a file of it is, with its article.
    ///   - hint: the next step to take.
    init(
        _ name: String, is description: @escaping @Sendable (FileProbe) -> String, hint: String,
        recognizes: @escaping @Sendable (FileProbe) -> Bool
    ) {
        let refusal: @Sendable (FileProbe) -> FileError = { FileError($0.file.path, "is \(description($0))", hint: hint) }
        self.name = name
        self.recognizes = recognizes
        self.refusal = refusal
        open = { (probe) throws(FileError) -> any TensorSource in throw refusal(probe) }
    }
}

extension [ContainerFormat] {
    /// The first row that recognises a file; nil where none does.
    package func format(of probe: FileProbe) -> ContainerFormat? { first { $0.recognizes(probe) } }
}
