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
        for file in others ?? files where TokenizerFile.isRead(file.name) {
            contents.append(TokenizerFile(name: file.name, bytes: try file.bytes()))
        }
        return try Tokenizer.open(contents, path: path)
    }
}
