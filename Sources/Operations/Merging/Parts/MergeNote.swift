import ByteIO
import Checkpoints
import JSONText
import Quantization
import TensorCore

/// What a part of a merge tells of an item: all that the merged model says of it besides its bytes.
struct MergeNote: Sendable {
    /// Checksums of its tensors, in the order in which they are stored.
    var checksums: [CRC32C] = []
    /// Of an item that is quantized anew: the type that it is read as, and the bits of its offset.
    var state: (type: ScalarType, offset: UInt32?)?
    var overflowCount = 0
    var finding: MergeRun.Finding?
    /// How it is undone, by the stream of the part, and the checksum of its bytes there.
    var undone: [(tensor: UndoDirectory.Tensor, checksum: CRC32C)] = []

    var document: JSONValue {
        var object = JSONObject(["crc32c": .strings(checksums.map(\.description))])
        if let state {
            object["state"] = .array([.string(state.type.rawValue), state.offset.map { .integer(Int($0)) } ?? .null])
        }
        if overflowCount > 0 { object["overflows"] = .integer(overflowCount) }
        if let finding {
            object["finding"] = .array([
                .string(finding.typeName), .integer(finding.elementCount), finding.changedCount.map { .integer($0) } ?? .null,
                .array(finding.sums.words.map { .number(JSONNumber($0)) }),
            ])
        }
        if !undone.isEmpty {
            object["undo"] = .array(undone.map { .array([$0.tensor.document, .string($0.checksum.description)]) })
        }
        return .object(object)
    }

    init() {}

    /// - Parameter streamByteCount: bytes of the part's stream.
    /// - Returns: nil where the document is no such thing.
    init?(document: JSONValue, streamByteCount: Int) {
        guard let texts = document["crc32c"]?.array else { return nil }
        checksums = texts.compactMap { $0.string.flatMap { CRC32C(hexadecimal: $0) } }
        guard checksums.count == texts.count else { return nil }
        if let state = document["state"] {
            guard let words = state.array, words.count == 2, let type = words[0].string.flatMap(ScalarType.init) else { return nil }
            let offset = words[1].integer.flatMap { UInt32(exactly: $0) }
            guard words[1] == .null || offset != nil else { return nil }
            self.state = (type, offset)
        }
        if let count = document["overflows"] {
            guard let count = count.integer, count > 0, count < 1 << 56 else { return nil }
            overflowCount = count
        }
        if let finding = document["finding"] {
            guard let finding = Self.finding(finding) else { return nil }
            self.finding = finding
        }
        for entry in document["undo"]?.array ?? [] {
            guard let words = entry.array, words.count == 2,
                let tensor = try? UndoDirectory.Tensor(parsing: words[0], payloadByteCount: streamByteCount),
                let checksum = words[1].string.flatMap({ CRC32C(hexadecimal: $0) })
            else { return nil }
            undone.append((tensor, checksum))
        }
    }

    private static func finding(_ document: JSONValue) -> MergeRun.Finding? {
        guard let words = document.array, words.count == 4, let name = words[0].string, let count = words[1].integer,
            (0..<1 << 56).contains(count), let numbers = words[3].array
        else { return nil }
        let bits = numbers.compactMap { value -> UInt64? in
            guard case .number(let number) = value else { return nil }
            return UInt64(number.literal)
        }
        let changed = words[2].integer
        guard bits.count == numbers.count, let sums = MergeSums(words: bits), words[2] == .null || changed != nil,
            (0...count).contains(changed ?? 0)
        else { return nil }
        return MergeRun.Finding(typeName: name, sums: sums, elementCount: count, changedCount: changed)
    }
}

extension UndoDirectory.Tensor {
    /// All of its streams, which lie one after another: factors first.
    var extent: Range<Int> {
        var start = items.offset
        if case .subtraction(_, _, _, let terms) = method, let first = terms.first { start = first.factors.offset }
        return start..<max(start, items.end)
    }

    /// The same at another place of another record.
    func moved(by distance: Int) -> UndoDirectory.Tensor {
        func moved(_ items: UndoDirectory.Items) -> UndoDirectory.Items {
            UndoDirectory.Items(offset: items.offset + distance, byteCounts: items.byteCounts)
        }
        // Of no streams at all there is no place.
        if extent.isEmpty { return self }
        var method = method
        if case .subtraction(let type, let columns, let matrices, let terms) = method {
            method = .subtraction(
                type, columns: columns, matrices: matrices,
                terms.map { UndoDirectory.Term(rank: $0.rank, scale: $0.scale, factors: moved($0.factors)) })
        }
        return UndoDirectory.Tensor(
            name: name, method: method, byteCount: byteCount, chunkByteCount: chunkByteCount, items: moved(items))
    }
}
