package import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore

/// A file from which a run goes on as if it had never stopped.
///
/// A safetensors file: the trained tensors by their names (of a run that keeps its best a second time, with `best.` before the name),
/// the optimizer's moments, the losses so far. `__metadata__` has
///
///     qtrain.version     1
///     qtrain.step        steps taken
///     qtrain.identity    JSON: what the run was started with
///     qtrain.crc32c      eight hexadecimal digits of each tensor, in the order of the data
///
/// The order of data and every random number follow from seed and step, so that neither has to be kept.
package enum TrainingCheckpoint {
    private static let version = "1"
    private static let otherCheckpointHint = "remove this checkpoint, and `resume` goes on from the one before it"
    private static let lossesName = "history.losses"
    private static let evaluationsName = "history.evaluations"

    /// One tensor to write, or the place to read one into.
    private struct Part {
        let name: String
        let type: ScalarType
        let dimensions: [Int]
        let bytes: UnsafeMutableRawBufferPointer
    }

    /// About how long the file will be: the tensors, without the history and the header.
    package static func byteCount(parameters: ParameterSet, optimizer: Optimizer, best: BestParameters?) -> Int {
        parts(parameters, optimizer, best).reduce(0) { $0 + $1.bytes.count }
    }

    /// Writes the state after `step` steps; the file appears complete or not at all.
    ///
    /// - Parameter best: the best parameters so far, where they are kept.
    package static func write(
        to path: String, step: Int, identity: RunIdentity, parameters: ParameterSet, optimizer: Optimizer, history: RunHistory,
        best: BestParameters? = nil
    ) throws(FileError) {
        var losses = history.losses
        var evaluations = history.evaluations.flatMap { [Double($0.step), $0.loss] }
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        try losses.withMutableBytes { losses throws(FileError) in
            try evaluations.withMutableBytes { evaluations throws(FileError) in
                let parts =
                    parts(parameters, optimizer, best) + [
                        Part(name: lossesName, type: .f64, dimensions: [losses.count / 8], bytes: losses),
                        Part(name: evaluationsName, type: .f64, dimensions: [evaluations.count / 16, 2], bytes: evaluations),
                    ]
                try write(parts, to: file, step: step, identity: identity)
            }
        }
        try output.commit([file])
    }

    private static func write(_ parts: [Part], to file: OutputFile, step: Int, identity: RunIdentity) throws(FileError) {
        // Elements of more bytes come first, so that every tensor is aligned.
        let ordered = parts.enumerated().sorted { ($1.element.type.bitCount, $0.offset) < ($0.element.type.bitCount, $1.offset) }
            .map(\.element)
        let checksums = ordered.map { CRC32C(of: UnsafeRawBufferPointer($0.bytes)).description }
        let metadata = [
            (key: "format", value: "pt"), (key: "qtrain.version", value: version), (key: "qtrain.step", value: String(step)),
            (key: "qtrain.identity", value: JSONValue.object(identity.members).text(.compact)),
            (key: "qtrain.crc32c", value: checksums.joined()),
        ]
        let plan = ordered.map { part in
            guard let shape = Shape(part.dimensions), let info = TensorInfo(name: part.name, scalarType: part.type, shape: shape) else {
                preconditionFailure("what lies in memory can be counted")
            }
            return info
        }
        let writer = try SafetensorsWriter(file: file, plan: plan, metadata: metadata)
        for (index, part) in ordered.enumerated() { try writer.write(UnsafeRawBufferPointer(part.bytes), tensor: index) }
        try writer.finish { _ in metadata }
    }

    /// Reads a checkpoint into `parameters`, `optimizer` and `best`; what it was written with must be `identity`.
    ///
    /// - Returns: the steps taken, and what they measured.
    package static func read(
        _ path: String, identity: RunIdentity, parameters: ParameterSet, optimizer: Optimizer, best: BestParameters? = nil
    ) throws(FileError) -> (step: Int, history: RunHistory) {
        let file = try open(path)
        let (step, written) = try header(file)
        let differences = identity.differences(from: written)
        guard differences.isEmpty else {
            throw FileError(
                path, "belongs to another run: \(differences.joined(separator: "; "))",
                hint: "go on with what the run was started with, or start a new one without `resume`")
        }
        let indices = Dictionary(file.tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
        var history = RunHistory()
        history.losses = try doubles(file, indices[lossesName], dimensions: [step])
        let evaluations = try doubles(file, indices[evaluationsName], dimensions: nil)
        history.evaluations = stride(from: 0, to: evaluations.count - 1, by: 2).map {
            .init(step: Int(exactly: evaluations[$0]) ?? 0, loss: evaluations[$0 + 1])
        }
        try read(file, indices, into: parts(parameters, optimizer, best))
        optimizer.stepCount = step
        return (step, history)
    }

    /// Whether a file is a checkpoint, of this version or another.
    package static func isPresent(at path: String) -> Bool {
        FilePath.kind(of: path) == .file && (try? SafetensorsFile(path: path).metadata("qtrain.version")) != nil
    }

    /// What two runs must have in common where one begins with the factors of the other.
    private static let factorMembers = ["model", "full", "rank", "alpha", "rslora", "targets"]

    /// Reads the trained tensors alone, for a run that begins with them and is free in everything else.
    ///
    /// - Parameter identity: of the run that begins.
    package static func readParameters(_ path: String, identity: RunIdentity, parameters: ParameterSet) throws(FileError) {
        let file = try open(path)
        let differences = identity.only(factorMembers).differences(from: try header(file).identity.only(factorMembers))
        guard differences.isEmpty else {
            throw FileError(
                path, "has factors of another kind: \(differences.joined(separator: "; "))",
                hint: "take the same options, or leave out `start` to begin with new factors")
        }
        let indices = Dictionary(file.tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
        try read(file, indices, into: parts(parameters))
    }

    private static func open(_ path: String) throws(FileError) -> SafetensorsFile {
        do throws(FileError) { return try SafetensorsFile(path: path) } catch {
            throw FileError(error.path, at: error.place, error.message, hint: otherCheckpointHint)
        }
    }

    private static func header(_ file: SafetensorsFile) throws(FileError) -> (step: Int, identity: RunIdentity) {
        guard file.metadata("qtrain.version") == version, let step = file.metadata("qtrain.step").flatMap(Int.init), step >= 0,
            let text = file.metadata("qtrain.identity")
        else { throw FileError(file.path, at: "__metadata__", "this is no checkpoint of version \(version) of qtrain") }
        guard let members = try? JSONValue(parsing: Array(text.utf8)).object else {
            throw FileError(file.path, at: "__metadata__", "'qtrain.identity' is no JSON object")
        }
        return (step, RunIdentity(members))
    }

    private static func read(_ file: SafetensorsFile, _ indices: [String: Int], into parts: [Part]) throws(FileError) {
        for part in parts {
            guard let index = indices[part.name], file.tensors[index].scalarType == part.type,
                file.tensors[index].shape.dimensions == part.dimensions
            else {
                throw FileError(
                    file.path, at: "tensor '\(part.name)'", "is missing, or has not type \(part.type.rawValue) and shape \(part.dimensions)"
                )
            }
            try read(file, index, into: part.bytes)
        }
    }

    private static func doubles(_ file: SafetensorsFile, _ index: Int?, dimensions: [Int]?) throws(FileError) -> [Double] {
        guard let index, file.tensors[index].scalarType == .f64, dimensions.map({ $0 == file.tensors[index].shape.dimensions }) ?? true
        else { throw FileError(file.path, "the losses of its steps are not as many as its steps") }
        return try [Double](count: file.tensors[index].elementCount) { buffer throws(FileError) in try read(file, index, into: buffer) }
    }

    private static func read(_ file: SafetensorsFile, _ index: Int, into bytes: UnsafeMutableRawBufferPointer) throws(FileError) {
        try file.read(tensor: index, atByteOffset: 0, into: bytes)
        let digits = (file.metadata("qtrain.crc32c") ?? "").dropFirst(8 * index).prefix(8)
        let found = CRC32C(of: UnsafeRawBufferPointer(bytes))
        guard CRC32C(hexadecimal: digits) == found else {
            throw FileError(
                file.path, at: "tensor '\(file.tensors[index].name)'", "its checksum is \(found), but \(digits) is recorded",
                hint: otherCheckpointHint)
        }
    }

    private static func parts(_ parameters: ParameterSet) -> [Part] { parts(parameters, in: parameters.values, prefix: "") }

    /// The tensors of `parameters` as they lie in a memory of the same layout.
    private static func parts(_ parameters: ParameterSet, in memory: FloatMemory, prefix: String) -> [Part] {
        parameters.slots.map { slot in
            Part(
                name: prefix + slot.name, type: .f32, dimensions: slot.shape.dimensions,
                bytes: UnsafeMutableRawBufferPointer(start: memory.pointer + slot.offset, count: 4 * slot.count))
        }
    }

    private static func parts(_ parameters: ParameterSet, _ optimizer: Optimizer, _ best: BestParameters?) -> [Part] {
        parts(parameters) + (best.map { parts(parameters, in: $0.values, prefix: "best.") } ?? [])
            + optimizer.state.map { tensor in
                Part(
                    name: tensor.name, type: tensor.isFloat ? .f32 : .u8,
                    dimensions: [tensor.isFloat ? tensor.bytes.count / 4 : tensor.bytes.count], bytes: tensor.bytes)
            }
    }
}
