/// A loop that is running, and what `loop` shows of it.
final class LoopState {
    enum Source {
        case values([Value], next: Int)
        case items(ValueDictionary, next: Int)
        case string(TemplateString, offset: Int)
        case range(ValueRange, next: Int)
        case iterator(ValueIterator)

        /// Elements that are left, but for strings, where it is their bytes.
        var remainingCount: Int {
            switch self {
            case .values(let values, let next): values.count - next
            case .items(let dictionary, let next): dictionary.count - next
            case .string(let string, let offset): string.piece(offset..<string.end).scalarCount
            case .range(let range, let next): range.count - next
            case .iterator(let iterator): iterator.remaining.count
            }
        }

        mutating func next() throws(Fault) -> Value? {
            switch self {
            case .values(let values, let next):
                guard next < values.count else { return nil }
                self = .values(values, next: next + 1)
                return values[next]
            case .items(let dictionary, let next):
                guard next < dictionary.count else { return nil }
                self = .items(dictionary, next: next + 1)
                return try dictionary.item(next)
            case .string(let string, let offset):
                guard offset < string.end else { return nil }
                let (_, count) = PythonText.scalar(in: string.buffer.bytes, at: offset)
                self = .string(string, offset: offset + count)
                return .string(string.piece(offset..<offset + count).markup(false))
            case .range(let range, let next):
                guard next < range.count else { return nil }
                self = .range(range, next: next + 1)
                return .integer(range[next])
            case .iterator(let iterator):
                guard let value = iterator.remaining.first else { return nil }
                iterator.position += 1
                return value
            }
        }
    }

    @exclusivity(unchecked) private(set) var source: Source
    /// The routine that says which elements are looped over, and what it sees.
    let filter: Int?
    let activation: Activation
    let slot: Int?

    /// Elements that were found before their turn: `loop.last` needs one, `loop.length` all of a filtered loop.
    @exclusivity(unchecked) private var ahead: [Value] = []
    @exclusivity(unchecked) private var aheadStart = 0
    @exclusivity(unchecked) private(set) var isExhausted = false
    /// The element that the filter is asked about.
    @exclusivity(unchecked) private var candidate: Value?

    @exclusivity(unchecked) private(set) var index = -1
    @exclusivity(unchecked) private(set) var previous: Value?
    @exclusivity(unchecked) private(set) var current: Value?
    /// What the last `loop.changed` saw.
    @exclusivity(unchecked) var lastChanged: [Value]?
    /// The body ran to its end at least once.
    @exclusivity(unchecked) var isCompleted = false

    init(_ source: Source, filter: Int?, activation: Activation, slot: Int?) {
        self.source = source
        self.filter = filter
        self.activation = activation
        self.slot = slot
    }

    var aheadCount: Int { ahead.count - aheadStart }
    var next: Value? { aheadCount > 0 ? ahead[aheadStart] : nil }

    /// Elements in all; only where there is no filter, or everything was looked at.
    var knownLength: Int { index + 1 + aheadCount + (isExhausted ? 0 : source.remainingCount) }

    /// Takes an element from the source, for the filter to decide on, or as the next one.
    func look() throws(Fault) -> Value? {
        guard let value = try source.next() else {
            isExhausted = true
            return nil
        }
        if filter == nil { ahead.append(value) } else { candidate = value }
        return value
    }

    func decide(isAccepted: Bool) {
        if isAccepted, let candidate { ahead.append(candidate) }
        candidate = nil
    }

    /// Moves on to the next element, which was looked at before.
    func advance() -> Value? {
        guard let value = next else { return nil }
        aheadStart += 1
        if aheadStart == ahead.count {
            ahead = []
            aheadStart = 0
        }
        index += 1
        previous = current
        current = value
        return value
    }
}
