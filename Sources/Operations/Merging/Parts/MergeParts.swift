import ByteIO
import Checkpoints
import Parts
import Streaming
import TensorCore

/// All parts of one merge, which together are what it computes.
///
/// A part is one of a report (`ReportPart`) that carries tensors: items are those of the plan, of which it tells what a merged model
/// says of them, and then the tensors of the checkpoint that is read completely, of which it tells the checksums. Tensors of the output
/// ride along under their names, and what undoes them as a stream.
package struct MergeParts: Sendable {
    let set: ReportSet

    /// Opens those of the merge that lie beside the output.
    ///
    /// - Throws: where there are none, some are missing or they are of different merges.
    package init(ofOutput path: String) throws {
        let folder = FilePath.folder(of: path)
        let prefix = FilePath.name(of: path) + ".part-"
        var byCount: [Int: [String]] = [:]
        for entry in try FilePath.entries(of: folder).sorted(by: NaturalOrder.precedes) where entry.utf8.starts(with: prefix.utf8) {
            let numbers = String(decoding: entry.utf8.dropFirst(prefix.utf8.count), as: UTF8.self).split(separator: "-")
            guard numbers.count == 3, numbers[1] == "of", let count = Int(numbers[2]),
                let part = Int(numbers[0]).flatMap({ PartNumber($0, of: count) }), part.path(ofOutput: path).hasSuffix(entry)
            else { continue }
            byCount[count, default: []].append(FilePath.join(folder, entry))
        }
        guard let first = byCount.keys.min(), let paths = byCount[first] else {
            throw OperationError("there are no parts of \(path)", hint: "they are called '\(prefix)1-of-N' and so on, N in all")
        }
        guard byCount.count == 1 else {
            let counts = byCount.keys.sorted().map(String.init).joined(separator: " and of ")
            throw OperationError("parts of \(path) are there of \(counts)", hint: "remove those that are not meant")
        }
        set = try ReportSet(paths: paths)
    }

    package var count: Int { self.set.partCount }

    /// That they are of the merge that one of them would be a part of.
    func check(_ frame: ReportFrame) throws {
        guard let difference = set.frame.difference(from: frame) else { return }
        throw FileError(set.path, "is a part of another merge: \(difference)", hint: "name the same inputs and options as for the parts")
    }
}
