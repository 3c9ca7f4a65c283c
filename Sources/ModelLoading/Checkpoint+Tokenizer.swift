package import ByteIO
package import Checkpoints
package import Tokenization
import Transformer

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
        return try Tokenizer.open(contents, path: path)
    }
}

extension LoadedModel {
    /// Refuses a tokenizer that has tokens without a row in the embedding.
    ///
    /// - Parameter rowCount: of the embedding with adapters, where one brings its own; nil for the model's.
    package func check(_ tokenizer: Tokenizer, rowCount: Int? = nil) throws(FileError) {
        let rowCount = rowCount ?? configuration.vocabularySize
        guard tokenizer.idCount <= rowCount else {
            throw FileError(
                checkpoint.path,
                "the tokenizer has \(tokenizer.idCount) tokens, but the embedding has \(rowCount) rows",
                hint: "tokenizer and weights are not of the same model")
        }
    }
}
