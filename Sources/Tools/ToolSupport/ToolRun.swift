package import Adapters
import ByteIO
package import Checkpoints
package import CommandLineKit
package import JSONText
import Platform
package import Streaming
import TensorCore

/// The version of all tools: they are released together.
package let toolVersion = "0.2.0"

/// What a checkpoint is opened for, which decides what must be right about it.
package enum OpeningPurpose: Sendable {
    /// To be looked at and compared: tensors are what is stored.
    case looking
    /// To be computed with, whatever its architecture.
    case computing
    /// To be run or trained: who loads the model says the rest.
    case running
}

extension Console {
    /// Removes unfinished outputs where a signal ends the process, says why where that is a lost page of a mapped file, and passes
    /// on what is odd about a checkpoint.
    ///
    /// - Parameter takesPlainFloat8: float8 weights without scales are plain numbers, by the user's word.
    /// - Throws: where the weights cannot be computed with, but are going to be.
    package func openCheckpoint(_ path: String, for purpose: OpeningPurpose, takesPlainFloat8: Bool = false) throws -> Checkpoint {
        onTermination { TemporaryFiles.removeAll() }
        MappedFile.exitOnLostPages()
        var checkpoint = try Checkpoint.open(path)
        if takesPlainFloat8 { checkpoint = checkpoint.takingPlainFloat8() }
        if purpose != .looking { try checkpoint.requireReadableWeights() }
        for warning in checkpoint.warnings { self.warning("\(checkpoint.path): \(warning)") }
        switch purpose {
        case .looking: if let foreign = checkpoint.foreignWeights { warning("\(checkpoint.path): \(foreign.remark)") }
        case .computing:
            if let head = try checkpoint.storedHeadOfTiedPair() { warning("\(checkpoint.path): \(head.warning)") }
            warnOfMissing(checkpoint)
        case .running: break
        }
        return checkpoint
    }

    /// What a model lacks, whatever is made of it will lack.
    private func warnOfMissing(_ checkpoint: Checkpoint) {
        let missing = MissingTensors.find(in: checkpoint)
        for finding in missing.prefix(Self.missingLimit) { warning("\(checkpoint.path): '\(finding.name)': \(finding.reason)") }
        guard missing.count > Self.missingLimit else { return }
        warning("\(checkpoint.path): \(missing.count - Self.missingLimit) more are missing", hint: "'qinspect check' lists all")
    }

    private static let missingLimit = 5

    /// Opens an adapter, and passes on what is odd about it.
    package func openAdapter(_ path: String) throws -> Adapter {
        onTermination { TemporaryFiles.removeAll() }
        let adapter = try Adapter.open(path)
        for warning in adapter.warnings { self.warning("\(path): \(warning)") }
        return adapter
    }

    /// Opens a model, or an adapter as the tensors that it stores.
    package func openTensors(_ path: String) throws -> any NamedTensors {
        guard Adapter.isPresent(at: path) else { return try openCheckpoint(path, for: .looking) }
        let adapter = try openAdapter(path)
        if adapter.hasUnknownRows {
            warning(
                "\(path): rows of queries and keys are shown in the order of the file, in pairs",
                hint: "`Adapter.placed` makes an adapter of it whose rows are those of the base")
        }
        return try AdapterTensors(adapter.withRowsAsStored.source, path: path)
    }

    /// Writes one JSON document that begins with the version of its form.
    package func writeJSON(_ members: KeyValuePairs<String, JSONValue>) throws {
        var object = JSONObject()
        for (key, value) in members { object[key] = value }
        try writeJSON(object)
    }

    /// The same.
    package func writeJSON(_ members: JSONObject) throws {
        var object = JSONObject(["schema": .integer(1)])
        for member in members.members { object[member.key] = member.value }
        try writeDocument(JSONValue.object(object).withFiniteNumbers.text(.indented))
    }
}

extension ParsedArguments {
    /// Threads and memory as asked for with `--threads` and `--max-memory`, telling `progress` of what is done.
    ///
    /// - Parameters:
    ///   - checkpoints: what will be open at the same time: their headers count as memory.
    ///   - plannedTensorCount: stored tensors of the output.
    package func resources(
        for checkpoints: [any NamedTensors], plannedTensorCount: Int = 0, progress: Progress? = nil
    ) throws -> Resources {
        try Resources(
            threadCount: integer("threads"), maximumMemory: byteCount("max-memory"),
            fixedMemory: checkpoints.reduce(plannedTensorCount * Self.memoryOfPlannedTensor) { $0 + Self.fixedMemory(of: $1) },
            progress: { progress?.advance(by: $0) })
    }

    /// The pattern of `--match`.
    package func matchPattern() throws -> NamePattern? {
        try string("match").map { try Self.pattern($0, option: "match") }
    }

    package static func pattern(_ text: String, option: String) throws -> NamePattern {
        do { return try NamePattern(text) } catch {
            throw UsageError("--\(option): '\(text)' is no regular expression: \(error)")
        }
    }

    /// What a stored tensor takes in memory, measured on models of 100,000 and of 600,000: name, shape, place, and what it
    /// belongs to; and what one takes that is to be written.
    private static let memoryOfStoredTensor = 700
    private static let memoryOfPlannedTensor = 320

    /// The list of tensors, and the constants of the largest.
    private static func fixedMemory(of checkpoint: any NamedTensors) -> Int {
        let largest = checkpoint.tensors.map(\.elementCount).max() ?? 0
        return checkpoint.source.tensors.count * memoryOfStoredTensor + largest / 32 * 4 * 2
    }
}

/// Measures of a run that reports end with.
package struct RunMeasures {
    private let start = Progress.monotonicTime()

    package init() {}

    package var seconds: Double { Double(Progress.monotonicTime() - start) / 1e9 }

    /// Most memory that was resident at any time, in bytes.
    package var peakMemory: Int { ProcessMemory.peakByteCount }

    /// `1.2 s, 1.8 GB/s, 45 MB of memory at most`.
    package func summary(byteCount: Int) -> String {
        let seconds = seconds
        return "\(NumberText.duration(seconds: seconds)), \(NumberText.byteRate(Double(byteCount) / seconds)) read, "
            + "\(NumberText.byteCount(peakMemory)) of memory at most"
    }
}
