package import ByteIO
package import Checkpoints
package import Tokenization
import Transformer

extension Checkpoint {
    /// The tokenizer that lies beside the weights, or in the .qnf with them.
    ///
    /// - Throws: where there is none, and where its files are malformed.
    package func tokenizer() throws(FileError) -> Tokenizer {
        var contents: [TokenizerFile] = []
        for file in files where TokenizerFile.names.contains(file.name) {
            contents.append(TokenizerFile(name: file.name, bytes: try file.bytes()))
        }
        return try Tokenizer.open(contents, path: path)
    }
}

extension LoadedModel {
    /// Refuses a tokenizer that has tokens without a row in the embedding.
    package func check(_ tokenizer: Tokenizer) throws(FileError) {
        guard tokenizer.idCount <= configuration.vocabularySize else {
            throw FileError(
                checkpoint.path,
                "the tokenizer has \(tokenizer.idCount) tokens, but the embedding has \(configuration.vocabularySize) rows",
                hint: "tokenizer and weights are not of the same model")
        }
    }
}
