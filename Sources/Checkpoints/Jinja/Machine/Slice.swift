/// The elements that a slice of Python takes.
struct Slice {
    let start: Int
    let step: Int
    let count: Int

    init(start: Value, stop: Value, step: Value, count length: Int) throws(Fault) {
        func bound(_ value: Value) throws(Fault) -> Int? {
            if case .none = value { return nil }
            if case .undefined(let undefined) = value { throw undefined.fault }
            guard case .integer(let integer)? = Number(value) else { throw .value("slice indices must be integers or None") }
            return integer
        }
        let step = max(try bound(step) ?? 1, -.max)
        guard step != 0 else { throw .value("slice step cannot be zero") }
        let lowest = step < 0 ? -1 : 0
        let highest = step < 0 ? length - 1 : length
        func clamped(_ value: Int?, or standard: Int) -> Int {
            guard let value else { return standard }
            return value < 0 ? max(value &+ length, lowest) : min(value, highest)
        }
        let first = clamped(try bound(start), or: step < 0 ? highest : lowest)
        let last = clamped(try bound(stop), or: step < 0 ? lowest : highest)
        self.step = step
        self.start = first
        if step > 0 {
            count = last > first ? (last - first - 1) / step + 1 : 0
        } else {
            count = first > last ? (first - last - 1) / -step + 1 : 0
        }
    }

    func apply(to list: ValueList, _ budget: Budget) throws(Fault) -> ValueList {
        try budget.spend(count, times: 32)
        if step == 1 { return list.slice(start..<start + count) }
        if step == -1, count == list.elements.count { return list.reversed() }
        return try ValueList((0..<count).map { list.elements[start + $0 * step] })
    }

    func apply(to string: TemplateString, _ budget: Budget) throws(Fault) -> TemplateString {
        guard count > 0 else { return TemplateString.empty.markup(string.isMarkup) }
        // Finding a position costs nothing where there are only ASCII characters.
        try budget.spend(work: string.isASCII ? 0 : string.byteCount)
        if step == 1 { return string.scalars(start..<start + count) }
        try budget.spend(bytes: string.byteCount)
        let buffer = TextBuffer()
        var scalars: [(Unicode.Scalar, Mark)] = []
        scalars.reserveCapacity(string.scalarCount)
        string.forEachScalar { scalars.append(($0, $1)) }
        for index in 0..<count {
            let (scalar, mark) = scalars[start + index * step]
            buffer.append(scalar, mark: mark)
        }
        return TemplateString(buffer, isMarkup: string.isMarkup)
    }
}
