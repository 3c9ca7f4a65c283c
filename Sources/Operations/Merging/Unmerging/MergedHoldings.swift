import ByteIO
import Checkpoints
import JSONText
import SafetensorsFormat
import TensorCore

/// What a merged model holds that undoing may need: its stored tensors by name, undo records among them, and its files.
struct MergedHoldings: Sendable {
    struct Place: Sendable {
        let source: any TensorSource
        let tensor: Int
    }

    /// Files beyond those of the checkpoint.
    let files: [InputFile]
    /// In ascending order.
    let recordNumbers: [Int]
    private let places: [ByteKey: Place]
    private let path: String
    private let folder: String?

    init(_ merged: Checkpoint) throws(FileError) {
        path = merged.path
        folder = merged.folder
        var sources: [any TensorSource] = [merged.source]
        if let folder {
            let recordPath = FilePath.join(folder, UndoFiles.recordName)
            if FilePath.kind(of: recordPath) == .file { sources.append(try SafetensorsFile(path: recordPath)) }
        }
        var places: [ByteKey: Place] = [:]
        for source in sources {
            for (index, info) in source.tensors.enumerated() {
                guard places.updateValue(Place(source: source, tensor: index), forKey: ByteKey(info.name)) == nil else {
                    throw FileError(source.path, at: "tensor '\(JSONError.excerpt(info.name))'", "stands in two files of the model")
                }
            }
        }
        files = sources.dropFirst().flatMap(\.files)
        recordNumbers = places.keys.compactMap { UndoFiles.number(of: $0.text) }.sorted()
        self.places = places
    }

    func find(_ name: String) -> Place? { places[ByteKey(name)] }

    func place(of name: String) throws(FileError) -> Place {
        guard let place = find(name) else {
            throw FileError(
                path, "has no tensor '\(JSONError.excerpt(name))', which the base had",
                hint: "the merged model was changed after the merge: take the base from elsewhere")
        }
        return place
    }

    /// The bytes of a file that lies beside the weights.
    func companion(_ name: String, limit: Int) throws(FileError) -> [UInt8] {
        guard let folder else { throw FileError(path, "is no folder, but its base was one with a file '\(name)'") }
        let file = try InputFile(path: FilePath.join(folder, name))
        guard file.byteCount == limit else {
            throw FileError(
                file.path, "has \(file.byteCount) bytes, but in the base it had \(limit)", hint: "it was changed after the merge")
        }
        return try file.allBytes(limit: limit)
    }
}
