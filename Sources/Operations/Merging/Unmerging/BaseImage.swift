import ByteIO
import Checkpoints
import JSONText
import SafetensorsFormat
import TensorCore

/// Names of the files that carry undo records and their kin in a folder.
enum UndoFiles {
    /// A safetensors file with the undo records of a dense folder.
    static let recordName = "qmerge.undo"

    /// Name of the record of step `number`, counted from 1.
    static func tensorName(_ number: Int) -> String { QNFMetadata.undoPrefix + String(number) }

    /// Number of a record by its name; nil of other tensors.
    static func number(of name: String) -> Int? {
        guard name.hasPrefix(QNFMetadata.undoPrefix), let number = Int(name.dropFirst(QNFMetadata.undoPrefix.count)), number > 0,
            tensorName(number) == name
        else { return nil }
        return number
    }
}

/// The files of a base, as an undo record has to describe them.
struct BaseImage: Sendable {
    /// Safetensors files, the one with earlier undo records last.
    let files: [SafetensorsFile]
    /// Other files of a folder, by name.
    let companions: [CompanionFile]
    let isFolder: Bool
    /// Of a folder with earlier undo records.
    let records: SafetensorsFile?

    /// - Parameter base: a .qnf, a dense safetensors file, or a dense folder.
    init(_ base: Checkpoint) throws(FileError) {
        var files = try base.source.files.map { file throws(FileError) in try SafetensorsFile(file) }
        guard let folder = base.folder else {
            (self.files, companions, isFolder, records) = (files, [], false, nil)
            return
        }
        func part(_ file: InputFile) -> CompanionFile {
            CompanionFile(name: file.name, content: .part(of: file, offset: 0, byteCount: file.byteCount))
        }
        var companions = base.files + base.guides.map(part)
        let lineage = FilePath.join(folder, MergeLineage.fileName), undo = FilePath.join(folder, UndoFiles.recordName)
        if FilePath.kind(of: lineage) == .file { companions.append(part(try InputFile(path: lineage))) }
        records = FilePath.kind(of: undo) == .file ? try SafetensorsFile(path: undo) : nil
        if let records { files.append(records) }
        self.files = files
        self.companions = companions.sorted { $0.name < $1.name }
        isFolder = true
    }

    /// The greatest number of an earlier record; 0 of none.
    var lastRecord: Int {
        files.flatMap(\.tensors).compactMap { UndoFiles.number(of: $0.name) }.max() ?? 0
    }
}

extension Checkpoint {
    /// The folder of a model that is one: a Hugging Face folder, whether it or its index was named.
    var folder: String? {
        guard kind == .huggingFace else { return nil }
        return FilePath.kind(of: path) == .folder ? path : FilePath.folder(of: path)
    }

    /// `__metadata__` of one of its files; empty where the container has none.
    func fileMetadata(ofFile number: Int) -> [(key: String, value: String)] {
        (source as? SafetensorsFile)?.header.metadata ?? []
    }
}
