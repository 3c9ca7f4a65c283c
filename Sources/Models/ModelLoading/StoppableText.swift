/// Text that grows until one of several texts appears in it, which ends it.
///
/// What may be the beginning of a stop text is held back until it is decided. Compared by bytes.
struct StoppableText {
    /// What was handed on so far.
    private(set) var text = ""
    private(set) var isStopped = false
    private let stops: [[UInt8]]
    private var pending: [UInt8] = []

    init(stopTexts: [String]) { stops = stopTexts.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// Appends text and gives what is certain now.
    mutating func append(_ addition: String) -> String {
        guard !isStopped else { return "" }
        pending += addition.utf8
        if let start = firstStop() {
            isStopped = true
            return handOn(start)
        }
        return handOn(pending.count - heldBackCount())
    }

    /// Gives what was held back, once nothing more comes.
    mutating func finish() -> String {
        isStopped ? "" : handOn(pending.count)
    }

    /// Where the earliest stop text begins.
    private func firstStop() -> Int? {
        pending.indices.first { start in stops.contains { pending[start...].starts(with: $0) } }
    }

    /// Bytes at the end that begin a stop text.
    private func heldBackCount() -> Int {
        let longest = (stops.map(\.count).max() ?? 1) - 1
        let start = pending.indices.suffix(longest).first { start in
            stops.contains { $0.count > pending.count - start && $0.starts(with: pending[start...]) }
        }
        return pending.count - (start ?? pending.count)
    }

    /// Stop texts begin and end with whole characters, and so does what stands before one.
    private mutating func handOn(_ count: Int) -> String {
        let certain = String(decoding: pending[..<count], as: UTF8.self)
        pending.removeFirst(count)
        text += certain
        return certain
    }
}
