import Architectures
package import ByteIO
import Checkpoints
package import Tokenization

extension LoadedModel {
    /// Refuses a tokenizer whose own vocabulary has tokens without a row in the embedding.
    ///
    /// Tokens that were added to it later may have none: a `[PAD]` for which nobody resized the model harms no text without it.
    /// `check(_:of:)` refuses the text that has one.
    ///
    /// - Parameter rowCount: of the embedding with adapters, where one brings its own; nil for the model's.
    package func check(_ tokenizer: Tokenizer, rowCount: Int? = nil) throws(FileError) {
        let rowCount = rowCount ?? configuration.vocabularySize
        guard tokenizer.vocabularyIDCount <= rowCount else {
            throw FileError(
                checkpoint.path,
                "the tokenizer has \(tokenizer.idCount) tokens, but the embedding has \(rowCount) rows",
                hint: "tokenizer and weights are not of the same model")
        }
    }

    /// Refuses ids of a text that have no row in the embedding, by the token's text.
    ///
    /// - Parameter rowCount: as above.
    package func check(_ ids: [TokenID], of tokenizer: Tokenizer, rowCount: Int? = nil) throws(FileError) {
        let rowCount = rowCount ?? configuration.vocabularySize
        guard let id = ids.first(where: { Int($0) >= rowCount }) else { return }
        let token = tokenizer.spelling(of: id) ?? ""
        throw FileError(
            checkpoint.path,
            "the text has the token '\(token)' of id \(id), but the embedding has \(rowCount) rows",
            hint: "the token was added to the tokenizer without resizing the model; leave it out of the text")
    }
}
