package import ByteIO
package import Checkpoints
package import Tokenization

extension Checkpoint {
    /// The tokenizer that lies beside the weights, or in the .qnf with them.
    ///
    /// - Parameter others: files that take the place of the checkpoint's own.
    /// - Throws: where there is none, and where its files are malformed.
    package func tokenizer(of others: [CompanionFile]? = nil) throws(FileError) -> Tokenizer {
        var contents: [TokenizerFile] = []
        for file in others ?? files where TokenizerFile.names.contains(file.name) {
            contents.append(TokenizerFile(name: file.name, bytes: try file.bytes()))
        }
        return try Tokenizer.open(contents + additionalTemplates(), path: path)
    }

    /// Chat templates with names of their own.
    private func additionalTemplates() throws(FileError) -> [TokenizerFile] {
        guard let folder = templateFolder else { return [] }
        var templates: [TokenizerFile] = []
        for name in try FilePath.entries(of: folder) where name.hasSuffix(".jinja") {
            let bytes = try InputFile(path: FilePath.join(folder, name)).allBytes(limit: Self.templateByteCountLimit)
            templates.append(TokenizerFile(name: "\(TokenizerFile.templateFolder)/\(name)", bytes: bytes))
        }
        return templates
    }

    /// As much as is read of a template.
    private static let templateByteCountLimit = 1 << 20
}
