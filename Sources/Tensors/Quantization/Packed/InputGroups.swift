import ByteIO
import Synchronization
import TensorCore

/// The group of each input of a weight in columns: by their size, or as the file says.
final class InputGroups: Sendable {
    struct Grouping: Sendable {
        /// Inputs of a group, one group after the other.
        let size: Int
        /// The group of each input, where it is no such order.
        let ofInputs: [Int32]?
    }

    private let inputCount: Int
    private let groupCount: Int
    /// Read once.
    private let known: Mutex<Grouping?>

    /// - Parameter size: inputs of a group; nil where part 3 has the group of each.
    init(inputCount: Int, groupCount: Int, size: Int?) {
        self.inputCount = inputCount
        self.groupCount = groupCount
        known = Mutex(size.map { Grouping(size: $0, ofInputs: nil) })
    }

    /// - Throws: where an input is of a group that is not there.
    func grouping(of parts: StoredParts) throws(FileError) -> Grouping {
        try known.withLock { known throws(FileError) in
            if let known { return known }
            let grouping = try read(parts)
            known = grouping
            return grouping
        }
    }

    private func read(_ parts: StoredParts) throws(FileError) -> Grouping {
        let bytes = try parts.bytes(ofPart: 3, 0..<4 * inputCount)
        let groups = bytes.withUnsafeBytes { bytes in
            (0..<inputCount).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
        }
        if let input = groups.firstIndex(where: { !(0..<groupCount).contains(Int($0)) }) {
            throw FileError(
                parts.source.path, at: "tensor '\(parts.source.tensors[parts.tensors[3]].name)'",
                "says that input \(input) is of group \(groups[input]), but there are \(groupCount) groups",
                hint: "the file is damaged; fetch it again")
        }
        // Most files say what their size says as well.
        let size = groups.firstIndex { $0 != groups[0] } ?? inputCount
        let isOrdered = groups.indices.allSatisfy { Int(groups[$0]) == $0 / size }
        return isOrdered ? Grouping(size: size, ofInputs: nil) : Grouping(size: 1, ofInputs: groups)
    }
}
