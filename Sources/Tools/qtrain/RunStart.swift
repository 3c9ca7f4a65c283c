import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import ModelLoading
import ToolSupport
import Training

/// What the factors of a run begin with, where they are not new: an adapter, or a checkpoint of another run.
enum RunStart {
    case adapter(Adapter)
    case checkpoint(InputFile)

    /// - Throws: for an adapter of other weights; one that does not say is taken with a note.
    init(_ path: String, of loaded: LoadedModel, _ fingerprint: String, _ console: Console) throws {
        if TrainingCheckpoint.isPresent(at: path) {
            self = .checkpoint(try InputFile(path: path))
            return
        }
        let adapter = try console.openAdapter(path)
        self = .adapter(adapter)
        guard let stated = adapter.baseFingerprint else {
            console.note("\(path) does not say which weights it was trained on, so that nothing can be compared")
            return
        }
        guard stated == fingerprint else {
            throw FileError(
                path,
                "was trained on weights with the fingerprint \(stated.prefix(15))..., but that of \(loaded.checkpoint.path) is "
                    + "\(fingerprint.prefix(15))...",
                hint: "train on top of the same weights, or leave out --init-from to begin with new factors")
        }
    }

    var files: [InputFile] {
        switch self {
        case .adapter(let adapter): adapter.files
        case .checkpoint(let file): [file]
        }
    }

    /// Of all bytes.
    func checksum() throws(FileError) -> CRC32C {
        var checksum = CRC32C()
        for file in files { checksum.append(try file.allBytes(limit: .max)) }
        return checksum
    }

    /// - Parameter identity: of the run that begins.
    func apply(to model: TrainableModel, identity: RunIdentity) throws(FileError) {
        switch self {
        case .adapter(let adapter): try model.start(from: adapter)
        case .checkpoint(let file):
            try TrainingCheckpoint.readParameters(file.path, identity: identity, parameters: model.parameters)
        }
    }
}
