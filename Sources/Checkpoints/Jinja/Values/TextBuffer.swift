/// Bytes of text that only grows at its end, and where they come from.
///
/// Strings are windows on buffers. A string that ends where its buffer ends is appended to in place, as nobody else can see
/// what is behind its window: building a text piece by piece costs what its result costs, in loops as well.
final class TextBuffer {
    struct Run {
        /// Byte offset of its end in the buffer.
        var end: UInt32
        let mark: Mark
    }

    @exclusivity(unchecked) private(set) var bytes: [UInt8]
    @exclusivity(unchecked) private(set) var runs: [Run]

    init(bytes: [UInt8] = [], mark: Mark = .template) {
        self.bytes = bytes
        runs = bytes.isEmpty ? [] : [Run(end: UInt32(bytes.count), mark: mark)]
    }

    func append(_ more: some Sequence<UInt8>, mark: Mark) {
        bytes.append(contentsOf: more)
        extendRuns(mark)
    }

    func append(_ scalar: Unicode.Scalar, mark: Mark) {
        if scalar.isASCII {
            bytes.append(UInt8(truncatingIfNeeded: scalar.value))
        } else {
            bytes.append(contentsOf: UTF8.encode(scalar) ?? .init())
        }
        extendRuns(mark)
    }

    private func extendRuns(_ mark: Mark) {
        let end = UInt32(bytes.count)
        if let last = runs.last, last.mark == mark {
            runs[runs.count - 1].end = end
        } else if end > (runs.last?.end ?? 0) {
            runs.append(Run(end: end, mark: mark))
        }
    }

    /// The index of the run that the byte at `offset` belongs to.
    func runIndex(at offset: UInt32) -> Int {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].end <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func mark(at offset: Int) -> Mark {
        let index = runIndex(at: UInt32(offset))
        return index < runs.count ? runs[index].mark : .template
    }
}
