package import ByteIO

/// A model in one file, or in as many as a greatest length asks for.
package struct GGUFSplitPlan: Sendable {
    /// `model.gguf`, or `model-00001-of-00003.gguf` and so on.
    package let names: [String]
    package let parts: [GGUFPlan]
    /// Part of each tensor, and index within it.
    private let places: [(part: Int, tensor: Int)]

    /// - Parameters:
    ///   - prefix: of the names: `model`.
    ///   - byteCountLimit: no file is longer, unless it holds one tensor alone; nil for one file.
    package init(
        prefix: String, metadata: [GGUFMetadata.Entry], tensors: [GGUFPlannedTensor], byteCountLimit: Int?
    ) throws(FileError) {
        let groups = try Self.groups(metadata, tensors, byteCountLimit: byteCountLimit, path: prefix)
        guard groups.count > 1 else {
            names = ["\(prefix).gguf"]
            parts = [try GGUFPlan(metadata: metadata, tensors: tensors, path: names[0])]
            places = tensors.indices.map { (0, $0) }
            return
        }
        guard let count = UInt16(exactly: groups.count) else {
            throw FileError(
                prefix, "would have \(groups.count) parts, but at most \(UInt16.max) are possible",
                hint: "choose a greater length of the parts")
        }
        if let entry = metadata.first(where: { GGUFSplit.keys.contains($0.key) }) {
            throw FileError(prefix, at: "key '\(entry.key)'", "is there already, but the parts get their own")
        }
        let names = groups.indices.map { prefix + GGUFSplit.ending(number: $0, count: groups.count) }
        var parts: [GGUFPlan] = []
        for (number, range) in groups.enumerated() {
            let keys = Self.keys(number: UInt16(number), count: count, tensorCount: Int32(tensors.count))
            let all = number == 0 ? metadata + keys : Self.alignment(metadata) + keys
            parts.append(try GGUFPlan(metadata: all, tensors: Array(tensors[range]), path: names[number]))
        }
        (self.names, self.parts) = (names, parts)
        places = groups.enumerated().flatMap { number, range in range.map { (number, $0 - range.lowerBound) } }
    }

    /// Bytes of all files.
    package var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

    package func place(ofTensor index: Int) -> (part: Int, tensor: Int) { places[index] }

    /// Behind the other keys in the first part, alone in the others.
    private static func keys(number: UInt16, count: UInt16, tensorCount: Int32) -> [GGUFMetadata.Entry] {
        [
            GGUFMetadata.Entry(GGUFSplit.numberKey, .u16(number)), GGUFMetadata.Entry(GGUFSplit.countKey, .u16(count)),
            GGUFMetadata.Entry(GGUFSplit.tensorCountKey, .i32(tensorCount)),
        ]
    }

    /// Each file is aligned by what itself says.
    private static func alignment(_ metadata: [GGUFMetadata.Entry]) -> [GGUFMetadata.Entry] {
        metadata.filter { $0.key == GGUFHeader.alignmentKey }
    }

    /// Runs of tensors, each as long as the limit allows.
    private static func groups(
        _ metadata: [GGUFMetadata.Entry], _ tensors: [GGUFPlannedTensor], byteCountLimit: Int?, path: String
    ) throws(FileError) -> [Range<Int>] {
        guard let byteCountLimit else { return [tensors.indices] }
        // The whole is checked first: the sums below cannot overflow where its own did not.
        let whole = try GGUFPlan(metadata: metadata, tensors: tensors, path: path)
        guard whole.byteCount > byteCountLimit else { return [tensors.indices] }
        let splitKeys = keys(number: 0, count: 0, tensorCount: 0).reduce(0) { $0 + GGUFPlan.byteCount($1) }
        let later = alignment(metadata).reduce(24 + splitKeys) { $0 + GGUFPlan.byteCount($1) }
        var groups: [Range<Int>] = []
        var start = 0
        var (header, data) = (metadata.reduce(24 + splitKeys) { $0 + GGUFPlan.byteCount($1) }, 0)
        for (index, tensor) in tensors.enumerated() {
            let description = GGUFPlan.byteCount(tensor)
            let byteCount = GGUFPlan.padded(whole.tensors[index].byteCount, to: whole.alignment)
            if index > start, GGUFPlan.padded(header + description, to: whole.alignment) + data + byteCount > byteCountLimit {
                groups.append(start..<index)
                (start, header, data) = (index, later, 0)
            }
            header += description
            data += byteCount
        }
        return groups + [start..<tensors.count]
    }
}
