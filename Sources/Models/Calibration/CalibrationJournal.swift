package import ByteIO
import JSONText
import Platform
import SafetensorsFormat
import TensorCore

/// A folder in which a calibration leaves what it has done, to go on from there with the same result.
///
///     layer-00000.qcal ...    codes and constants of a layer's weights, with their errors and the checksums of its moments
///     states.qcal             states of all tokens after so many layers
///
/// Each is a safetensors file that is there complete or not at all, with a checksum for every tensor. The states are written last:
/// layers from theirs on are done again. 4 T C bytes are written for each layer.
package final class CalibrationJournal {
    /// What is known of a finished layer.
    struct Layer {
        struct Weight {
            let name: String
            let matrices: [ModelCalibration.Matrix]
            let isOfExperts: Bool
            let errors: ModelCalibration.Errors
            let codes: [UInt8]
            let absmax: [Float]
        }

        /// What the digest of all moments is made of.
        let lines: [String]
        let weights: [Weight]
    }

    private static let version = "2"
    private static let hint = "remove the folder, or choose another: the calibration begins anew then"

    package let folder: String
    private let identity: String
    /// Layers that need not be done again.
    package private(set) var finishedCount = 0

    /// - Parameter identity: a digest of all that decides what comes out; what lies in the folder has to be of the same.
    package init(folder: String, identity: String) throws(FileError) {
        self.folder = folder
        self.identity = identity
        if mkdir(folder, 0o777) != 0 {
            let code = errno
            guard code == EEXIST else { throw FileError(folder, "cannot be created: \(String(cString: strerror(code)))") }
            guard FilePath.kind(of: folder) == .folder else { throw FileError(folder, "is no folder, but layers are to lie in it") }
        }
        guard FilePath.kind(of: statesPath) == .file else { return }
        let file = try open(statesPath)
        guard let count = file.metadata("qcal.layers").flatMap({ Int($0) }), count > 0 else {
            throw FileError(statesPath, "does not say of how many layers it is", hint: Self.hint)
        }
        finishedCount = count
    }

    private var statesPath: String { FilePath.join(folder, "states.qcal") }

    private func path(ofLayer layer: Int) -> String {
        let digits = String(layer)
        return FilePath.join(folder, "layer-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".qcal")
    }

    // MARK: - Writing

    /// Keeps a layer and the states after it.
    func add(_ layer: Int, _ content: Layer, states: UnsafeRawBufferPointer) throws(FileError) {
        let document: JSONValue = .object([
            "lines": .strings(content.lines),
            "weights": .array(
                content.weights.map { weight in
                    .object([
                        "name": .string(weight.name), "experts": .bool(weight.isOfExperts),
                        "choices": .strings(weight.matrices.map(\.choice.rawValue)),
                        "tokens": .array(weight.matrices.map { .integer($0.tokenCount) }),
                        "error": weight.errors.calibrated.map { .double($0) } ?? .null, "plain_error": .double(weight.errors.plain),
                    ])
                }),
        ])
        // Constants first, so that they are aligned.
        let sizes = content.weights.map { 4 * $0.absmax.count } + content.weights.map(\.codes.count)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: sizes.reduce(0, +), alignment: 64)
        defer { memory.deallocate() }
        var parts: [(name: String, type: ScalarType, bytes: UnsafeRawBufferPointer)] = []
        var offset = 0
        func add(_ name: String, _ type: ScalarType, _ bytes: UnsafeRawBufferPointer) {
            let place = UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + bytes.count])
            place.copyMemory(from: bytes)
            parts.append((name, type, UnsafeRawBufferPointer(place)))
            offset += bytes.count
        }
        for (number, weight) in content.weights.enumerated() { weight.absmax.withUnsafeBytes { add("\(number).absmax", .f32, $0) } }
        for (number, weight) in content.weights.enumerated() { weight.codes.withUnsafeBytes { add("\(number).codes", .u8, $0) } }
        try write(parts, [("qcal.document", document.text(.compact))], to: path(ofLayer: layer))
        try write([("states", .f32, states)], [("qcal.layers", String(layer + 1))], to: statesPath)
        finishedCount = layer + 1
    }

    private func write(
        _ parts: [(name: String, type: ScalarType, bytes: UnsafeRawBufferPointer)], _ members: [(key: String, value: String)],
        to path: String
    ) throws(FileError) {
        let output = try AtomicOutput(destination: path, replaces: true)
        let file = try output.file()
        let metadata =
            [("qcal.version", Self.version), ("qcal.identity", identity)] + members + [
                ("qcal.crc32c", parts.map { CRC32C(of: $0.bytes).description }.joined())
            ]
        let plan = parts.map { part in
            guard let shape = Shape([part.bytes.count * 8 / part.type.bitCount]),
                let info = TensorInfo(name: part.name, scalarType: part.type, shape: shape)
            else { preconditionFailure("what lies in memory can be counted") }
            return info
        }
        let writer = try SafetensorsWriter(file: file, plan: plan, metadata: metadata.map { (key: $0.0, value: $0.1) })
        for (index, part) in parts.enumerated() { try writer.write(part.bytes, tensor: index) }
        try writer.finish { _ in metadata.map { (key: $0.0, value: $0.1) } }
        try output.commit([file])
    }

    // MARK: - Reading

    /// Fills the states after the finished layers.
    func readStates(into states: UnsafeMutableRawBufferPointer) throws(FileError) {
        let file = try open(statesPath)
        guard let info = file.tensors.first, info.scalarType == .f32, info.byteCount == states.count else {
            throw FileError(statesPath, "has no states of \(states.count) bytes", hint: Self.hint)
        }
        try read(file, 0, into: states)
    }

    func layer(_ layer: Int) throws(FileError) -> Layer {
        let path = path(ofLayer: layer), file = try open(path)
        func malformed() -> FileError { FileError(path, "is no layer of a calibration", hint: Self.hint) }
        guard let text = file.metadata("qcal.document"), let document = try? JSONValue(parsing: Array(text.utf8)),
            let lines = document["lines"]?.array, let rows = document["weights"]?.array, file.tensors.count == 2 * rows.count
        else { throw malformed() }
        var weights: [Layer.Weight] = []
        for (number, row) in rows.enumerated() {
            let (absmax, codes) = (number, rows.count + number)
            guard let name = row["name"]?.string, case .bool(let isOfExperts)? = row["experts"],
                let choices = row["choices"]?.array?.map({ $0.string.flatMap(ModelCalibration.Choice.init) }),
                let counts = row["tokens"]?.array?.map(\.integer), choices.count == counts.count, !choices.isEmpty,
                !choices.contains(nil), !counts.contains(nil), case .number(let plain)? = row["plain_error"],
                file.tensors[absmax].scalarType == .f32,
                file.tensors[codes].scalarType == .u8
            else { throw malformed() }
            let error: Double? = if case .number(let number)? = row["error"] { number.double } else { nil }
            weights.append(
                Layer.Weight(
                    name: name,
                    matrices: zip(choices, counts).map { ModelCalibration.Matrix($0 ?? .nearest, tokenCount: $1 ?? 0) },
                    isOfExperts: isOfExperts, errors: .init(calibrated: error, plain: plain.double),
                    codes: try [UInt8](count: file.tensors[codes].byteCount) { buffer throws(FileError) in
                        try read(file, codes, into: buffer)
                    },
                    absmax: try [Float](count: file.tensors[absmax].elementCount) { buffer throws(FileError) in
                        try read(file, absmax, into: buffer)
                    }))
        }
        return Layer(lines: lines.compactMap(\.string), weights: weights)
    }

    private func open(_ path: String) throws(FileError) -> SafetensorsFile {
        let file = try SafetensorsFile(path: path)
        guard file.metadata("qcal.version") == Self.version else {
            throw FileError(path, "is not of this version of calibrations", hint: Self.hint)
        }
        guard file.metadata("qcal.identity") == identity else {
            throw FileError(path, "is of another calibration: model, text, options or tool differ", hint: Self.hint)
        }
        return file
    }

    private func read(_ file: SafetensorsFile, _ index: Int, into bytes: UnsafeMutableRawBufferPointer) throws(FileError) {
        try file.read(tensor: index, atByteOffset: 0, into: bytes)
        let digits = (file.metadata("qcal.crc32c") ?? "").dropFirst(8 * index).prefix(8), found = CRC32C(of: UnsafeRawBufferPointer(bytes))
        guard CRC32C(hexadecimal: digits) == found else {
            throw FileError(
                file.path, at: "tensor '\(file.tensors[index].name)'", "its checksum is \(found), but \(digits) is recorded",
                hint: Self.hint)
        }
    }

    /// Removes what lies there once nobody needs it, and the folder where nothing else is in it.
    package func remove() {
        for layer in 0..<finishedCount { unlink(path(ofLayer: layer)) }
        unlink(statesPath)
        rmdir(folder)
    }
}
