import ByteIO
import Checkpoints
import CommandLineKit
import Inspection
import TensorCore

extension ParsedArguments {
    /// What `--rows`, `--columns` and `--index` ask for.
    func selection() throws -> TensorSlice.Selection {
        TensorSlice.Selection(rows: try indexRange("rows"), columns: try indexRange("columns"), leading: try indices("index"))
    }

    /// `A:B`, with either end left out; or one index, which stands for a range of one.
    private func indexRange(_ option: String) throws -> IndexRange? {
        guard let text = string(option) else { return nil }
        let ends = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = ends.map { Int($0) }
        guard ends.count <= 2, !text.isEmpty, zip(ends, numbers).allSatisfy({ $0.isEmpty && ends.count == 2 || $1 != nil }) else {
            throw UsageError(
                "--\(option) needs a range A:B, not '\(text)'",
                hint: "as in Python: 0:8 is the first eight, 100: from 100 on, -4: the last four, 7 the one at 7")
        }
        guard ends.count == 1, let index = numbers[0] else { return IndexRange(numbers[0], numbers[1]) }
        // The one after -1 is the end, which no number from the end stands for.
        return IndexRange(index, index == -1 ? nil : index == .max ? index : index + 1)
    }

    private func indices(_ option: String) throws -> [Int]? {
        guard let text = string(option) else { return nil }
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard !numbers.contains(nil) else { throw UsageError("--\(option) needs whole numbers with commas between them, not '\(text)'") }
        return numbers.compactMap { $0 }
    }
}

/// Whatever is listed under a name: a tensor, or an entry that is none.
enum NamedEntry {
    case tensor(LogicalTensor)
    case unreadable(UnreadableTensor)
}

extension NamedTensors {
    /// - Throws: `FileError` with what was probably meant, where there is nothing of that name.
    func entry(named name: String) throws(FileError) -> NamedEntry {
        func isSame(_ other: String) -> Bool { other.utf8.elementsEqual(name.utf8) }
        if let tensor = tensors.first(where: { isSame($0.name) }) { return .tensor(tensor) }
        if let entry = source.unreadableTensors.first(where: { isSame($0.name) }) { return .unreadable(entry) }
        // Of models, only a .qnf leaves such a tensor out of those that it lists.
        if let info = source.tensors.first(where: { isSame($0.name) }), name.hasPrefix(QNFMetadata.filePrefix) {
            throw FileError(
                path, at: "tensor '\(info.name)'", "is a file that travels with the model",
                hint: "'qinspect files \(path)' lists such files, --extract DIR writes them")
        }
        for tensor in tensors {
            guard let parts = tensor.quantized?.parts, parts.contains(where: { isSame(source.tensors[$0].name) }) else { continue }
            throw FileError(path, at: "tensor '\(name)'", "is a part of a 4-bit weight", hint: "name the weight: '\(tensor.name)'")
        }
        let listing = "'qinspect layers \(path)' lists all names"
        let nearest = Spelling.nearest(to: name, among: tensors.map(\.name))
        throw FileError(
            path, "has no tensor '\(name)'", hint: nearest.map { "did you mean '\($0)'? \(listing)" } ?? listing)
    }
}
