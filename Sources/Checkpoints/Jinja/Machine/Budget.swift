/// What a rendering may still cost.
final class Budget {
    private let limits: TemplateLimits
    @exclusivity(unchecked) private var steps: Int
    @exclusivity(unchecked) private var bytes: Int

    init(_ limits: TemplateLimits) {
        self.limits = limits
        steps = limits.stepCount
        bytes = limits.byteCount
    }

    func step() throws(Fault) {
        steps -= 1
        if steps < 0 { throw Fault(.limit, "the template takes more than \(limits.stepCount) steps") }
    }

    /// For going over bytes without making any.
    func spend(work byteCount: Int) throws(Fault) {
        steps -= byteCount >> 4
        try step()
    }

    /// For making bytes; asked for before they are made.
    func spend(bytes byteCount: Int) throws(Fault) {
        guard byteCount <= bytes else { throw Fault(.limit, "the template makes values of more than \(limits.byteCount) bytes") }
        bytes -= byteCount
        try spend(work: byteCount)
    }

    /// For making `count` things of `byteCount` bytes each, which may be more than there are numbers.
    func spend(_ count: Int, times byteCount: Int) throws(Fault) {
        let (product, overflows) = max(count, 0).multipliedReportingOverflow(by: max(byteCount, 1))
        try spend(bytes: overflows ? .max : product)
    }

    /// For going over elements of lists.
    func spend(elements count: Int) throws(Fault) { try spend(work: count << 2) }
}
