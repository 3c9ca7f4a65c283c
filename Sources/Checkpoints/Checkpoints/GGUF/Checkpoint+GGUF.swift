import ByteIO
package import GGUFFormat
import JSONText

extension Checkpoint {
    /// A GGUF file: of a known family as the Hugging Face model of the same weights, else under its own names.
    ///
    /// What lies beside it is not its own: everything that belongs to the model is inside.
    static func openGGUF(_ file: GGUFSource) throws(FileError) -> Checkpoint {
        guard file.metadata["general.type"]?.string != "adapter" else { throw adapterError(file.path) }
        let model: GGUFModel
        do throws(GGUFNotFollowed) { model = try GGUFModel(file) } catch {
            return try Checkpoint(
                path: file.path, kind: .gguf, source: file, files: [],
                warnings: ["tensors keep the names that the file has, and the model cannot be run: \(error.message)"])
        }
        let companions = try GGUFCompanions(file.metadata, config: model.config)
        return try Checkpoint(
            path: file.path, kind: .gguf, source: model, files: companions.files, warnings: companions.warnings)
    }

    /// The file with its keys, where the model came from one.
    package var gguf: GGUFSource? { source as? GGUFSource ?? (source as? GGUFModel)?.file }
}
