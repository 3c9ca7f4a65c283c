import Adapters
import ByteIO
import Checkpoints
import JSONText
import Streaming
import TensorCore

/// The steps that led to a model, where its container has no place of its own for them.
enum MergeLineage {
    /// Key of `__metadata__` in a dense file.
    static let metadataKey = "qmerge.lineage"
    /// File in a dense folder.
    static let fileName = "qmerge.json"
    private static let fileByteCountLimit = 100_000_000

    /// The steps that led to the base; none where it does not tell.
    static func steps(of base: Checkpoint) throws(FileError) -> [JSONValue] {
        if let metadata = base.metadata { return metadata.lineage.array ?? [] }
        if let text = base.fileMetadata(ofFile: 0).first(where: { $0.key == metadataKey })?.value {
            return try parse(Array(text.utf8), base.path, at: "'\(metadataKey)' of __metadata__")
        }
        guard let folder = base.folder else { return [] }
        let path = FilePath.join(folder, fileName)
        guard FilePath.kind(of: path) == .file else { return [] }
        return try parse(try InputFile(path: path).allBytes(limit: fileByteCountLimit), path, at: nil)
    }

    /// The text of the file in a folder.
    static func fileText(_ steps: [JSONValue]) -> [UInt8] {
        Array((JSONValue.object(["schema": .integer(1), "lineage": .array(steps)]).text(.indented) + "\n").utf8)
    }

    private static func parse(_ bytes: [UInt8], _ path: String, at place: String?) throws(FileError) -> [JSONValue] {
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch { throw FileError(path, at: place, "is no JSON: \(error.description)") }
        guard let steps = document.array ?? document["lineage"]?.array else { throw FileError(path, at: place, "holds no list of steps") }
        return steps
    }
}

/// What a merge writes about itself, as a step of the lineage.
struct MergeStep {
    let plan: MergePlan
    let toolVersion: String
    let options: [String]
    /// Name of the tensor that undoes it; nil of none.
    let undoRecord: String?
    /// Of each adapter's tensors.
    let adapterFingerprints: [Fingerprint]
    let flips: FlipMerge?
    let calibrated: CalibratedMerge?

    /// - Parameters:
    ///   - checksums: of the checkpoint that was read completely; nil while they are not known.
    ///   - report: nil likewise.
    func document(checksums: [CRC32C]?, report: MergeReport?) -> JSONValue {
        var object = JSONObject([
            "step": .string("merge"), "tool": .string("qmerge \(toolVersion)"), "options": .strings(options),
            "source": SourcePass.lineage(of: plan.readCheckpoint, checksums: checksums),
        ])
        if let reference = plan.reference, case .qnf = plan.form {
            // Only what the adapters change is read of it: it is told by its files.
            object["reference"] = .object([
                "kind": .string(reference.kind.title),
                "files": .array(reference.source.files.map { .object(["name": .string($0.name), "bytes": .integer($0.byteCount)]) }),
            ])
        } else if plan.reference != nil {
            object["quantized_base"] = .string(FilePath.name(of: plan.base.path))
        }
        object["adapters"] = .array(
            zip(plan.adapters, adapterFingerprints).map { weighted, fingerprint in
                .object([
                    "name": .string(FilePath.name(of: weighted.adapter.path)), "weight": .double(weighted.weight),
                    "fingerprint": .string(fingerprint.description),
                ])
            })
        if let flips { object["flips"] = flips.document }
        if let calibrated { object["calibrated"] = calibrated.document }
        object["undo"] = undoRecord.map { .string($0) } ?? .null
        object["report"] =
            report?.document
            ?? MergeReport.placeholder(names: plan.changes.map { ($0.name, $0.change) }) {
                calibrated != nil || flips?.requantized[$0] != nil
            }
        return .object(object)
    }

    static func fingerprints(_ adapters: [WeightedAdapter]) throws(FileError) -> [Fingerprint] {
        try adapters.map { weighted throws(FileError) in
            let adapter = weighted.adapter
            let tensors = adapter.modules.flatMap(\.tensors)
            let checksums = try tensors.map { tensor throws(FileError) in CRC32C(of: try adapter.bytes(of: tensor)) }
            return Fingerprint(of: tensors.map(\.info), checksums: checksums)
        }
    }
}
