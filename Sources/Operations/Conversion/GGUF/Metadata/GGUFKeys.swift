package import Architectures
package import ByteIO
package import Checkpoints
package import GGUFFormat
import JSONText
import Tokenization

/// Everything that a GGUF file says beside its tensors: what model it holds, and its tokenizer.
package struct GGUFKeys: Sendable {
    package let entries: [GGUFMetadata.Entry]
    /// Tensors of factors by which frequencies are divided; most files have none.
    package let factors: [GGUFFactors]
    /// What programs that run GGUF files will do otherwise than the model and its own tokenizer.
    package let remarks: [String]

    /// - Parameters:
    ///   - checkpoint: with config.json and the files of its tokenizer.
    ///   - description: of its model, with the rows, the biases and the head that are stored.
    ///   - name: `general.name`.
    ///   - fileType: `general.file_type`.
    /// - Throws: for what a GGUF file cannot say of this model or its tokenizer, by name.
    package init(of checkpoint: Checkpoint, _ description: ModelDescription, name: String, fileType: Int) throws(FileError) {
        let model = try GGUFModelKeys(
            description, config: checkpoint.config?.object ?? JSONObject(), name: name, fileType: fileType, path: checkpoint.path)
        var files: [TokenizerFile] = []
        for file in checkpoint.files where TokenizerFile.isRead(file.name) {
            files.append(TokenizerFile(name: file.name, bytes: try file.bytes()))
        }
        let (stored, remarks) = try StoredTokenizer.read(files, rowCount: description.vocabularySize, path: checkpoint.path)
        let tokenizer = GGUFTokenizerKeys(
            stored, architecture: description.architecture.gguf?.name ?? "", end: description.endTokenIDs.first)
        entries = model.entries + tokenizer.entries
        factors = model.factors
        self.remarks = model.remarks + remarks + tokenizer.remarks
    }
}
