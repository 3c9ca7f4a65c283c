package import Streaming

/// Which part of how many: `3/64`, counted from 1.
package struct PartNumber: Sendable, Hashable, CustomStringConvertible {
    package let number: Int
    package let count: Int

    /// Tasks of an array at most that a scheduler could mean.
    package static let countLimit = 100_000

    /// Nil where there are no or too many parts, or no such one.
    package init?(_ number: Int, of count: Int) {
        guard count >= 1, count <= Self.countLimit, number >= 1, number <= count else { return nil }
        self.number = number
        self.count = count
    }

    /// From `K/N`; from `auto` or `auto/N`, with what a scheduler says in the environment of each of its tasks.
    ///
    /// - Throws: `OperationError` that names what is missing or does not fit.
    package init(_ text: String, environment: [String: String]) throws(OperationError) {
        let words = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if words[0] == "auto" {
            guard words.count == 2 else {
                self = try Self.ofArray(environment)
                return
            }
            guard let count = Self.decimal(words[1]), PartNumber(1, of: count) != nil else { throw Self.malformed(text) }
            self = try Self.ofTask(environment, count: count)
            return
        }
        guard words.count == 2, let number = Self.decimal(words[0]), let count = Self.decimal(words[1]),
            let part = PartNumber(number, of: count)
        else { throw Self.malformed(text) }
        self = part
    }

    package var description: String { "\(number)/\(count)" }

    package var isFirst: Bool { number == 1 }

    /// Where the part of an output lies: `OUTPUT.part-3-of-64`.
    package func path(ofOutput output: String) -> String {
        var stem = output[...]
        while stem.utf8.count > 1, stem.utf8.last == UInt8(ascii: "/") { stem.removeLast() }
        return "\(stem).part-\(number)-of-\(count)"
    }

    /// Numbers in the form of `sbatch --array`: `2,5-7`.
    package static func ranges(_ numbers: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers.sorted() {
            if let last = runs.last, number <= last.upperBound + 1 {
                runs[runs.count - 1] = last.lowerBound...max(number, last.upperBound)
            } else {
                runs.append(number...number)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }

    /// That all of so many parts are there.
    static func checkPresence(of numbers: Set<Int>, count: Int) throws(OperationError) {
        let missing = (1...count).filter { !numbers.contains($0) }
        guard !missing.isEmpty else { return }
        let ranges = Self.ranges(missing)
        throw OperationError(
            "\(missing.count) of \(count) parts \(missing.count == 1 ? "is" : "are") missing: \(ranges)",
            hint: "make \(missing.count == 1 ? "it" : "them") as before, under Slurm as an array of \(ranges) with `part` auto/\(count)")
    }

    // MARK: - Schedulers

    /// Slurm counts as the user asks, Kubernetes from 0.
    private static let slurmTask = "SLURM_ARRAY_TASK_ID"
    private static let indexedJob = "JOB_COMPLETION_INDEX"

    /// `auto`: an array that has all parts, and says how many.
    private static func ofArray(_ environment: [String: String]) throws(OperationError) -> PartNumber {
        try checkTask(environment)
        guard environment[slurmTask] != nil else {
            throw OperationError(
                "`part` auto: \(indexedJob) does not say how many parts there are", hint: "write auto/N, with N the completions of the job")
        }
        let task = try number(slurmTask, environment), first = try number("SLURM_ARRAY_TASK_MIN", environment)
        let last = try number("SLURM_ARRAY_TASK_MAX", environment), count = try number("SLURM_ARRAY_TASK_COUNT", environment)
        guard first <= 1, last - first + 1 == count, let part = PartNumber(task - first + 1, of: count) else {
            throw OperationError(
                "`part` auto: task \(task) of an array of \(count) tasks from \(first) to \(last), which is not all of 1-N",
                hint: "of an array that is a part of another, write auto/N, with N the parts in all; tasks are the numbers of parts then")
        }
        return part
    }

    /// `auto/N`: a task that may be of an array of those that were missing.
    private static func ofTask(_ environment: [String: String], count: Int) throws(OperationError) -> PartNumber {
        try checkTask(environment)
        let isSlurm = environment[slurmTask] != nil
        let task = try number(isSlurm ? slurmTask : indexedJob, environment)
        guard let part = PartNumber(isSlurm ? task : task + 1, of: count) else {
            throw OperationError(
                isSlurm
                    ? "`part` auto/\(count): \(slurmTask) is \(task), but parts are counted from 1 to \(count)"
                    : "`part` auto/\(count): \(indexedJob) is \(task), but 0 to \(count - 1) are expected",
                hint: isSlurm ? "let the array be 1-\(count)" : "set 'completions' of the job to \(count)")
        }
        return part
    }

    private static func checkTask(_ environment: [String: String]) throws(OperationError) {
        switch (environment[slurmTask] != nil, environment[indexedJob] != nil) {
        case (false, false):
            throw OperationError(
                "`part` auto: neither \(slurmTask) nor \(indexedJob) is set",
                hint: "these are set in tasks of an array of Slurm and of indexed jobs of Kubernetes; elsewhere write K/N")
        case (true, true):
            throw OperationError("`part` auto: both \(slurmTask) and \(indexedJob) are set", hint: "write K/N")
        default: return
        }
    }

    private static func number(_ name: String, _ environment: [String: String]) throws(OperationError) -> Int {
        guard let text = environment[name] else { throw OperationError("`part` auto: \(name) is not set", hint: "write auto/N") }
        guard let number = decimal(text[...]) else { throw OperationError("`part` auto: \(name) is '\(text)', which is no number") }
        return number
    }

    /// Digits alone; small enough for every sum of two.
    private static func decimal(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 9, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    private static func malformed(_ text: String) -> OperationError {
        OperationError(
            "`part` is '\(text)', but K/N with K from 1 to N, auto or auto/N is expected, and N is at most \(countLimit)",
            hint: "the third of 64 parts is 3/64")
    }
}
