import ByteIO
import Checkpoints
import Quantization
import Streaming
import TensorCore

/// What is stored of the constants of a weight that several parts have quantized: made of the absmax of all its blocks.
struct JoinedConstants: Sendable {
    /// Index of its quant state in the frame, and the text.
    let state: Int
    let stateText: String
    /// Of the frame.
    let tensors: [(index: Int, bytes: [UInt8])]

    /// Of all weights that were cut.
    ///
    /// - Throws: where a run is missing or there twice, or runs do not belong together.
    static func all(of parts: [PartFile], _ frame: PartFrame) throws(FileError) -> [JoinedConstants] {
        var runs: [Int: [(part: PartFile, run: RunConstants)]] = [:]
        for part in parts { for run in part.record.constants { runs[run.state, default: []].append((part, run)) } }
        var all: [JoinedConstants] = []
        for (_, runs) in runs.sorted(by: { $0.key < $1.key }) {
            all.append(try JoinedConstants(runs.sorted { $0.run.firstBlock < $1.run.firstBlock }, frame))
        }
        let made = all.flatMap { $0.tensors.map(\.index) }
        guard Set(made).count == made.count else {
            throw FileError(parts[0].path, "runs of two weights make the same tensor", hint: Self.hint)
        }
        return all
    }

    private init(_ runs: [(part: PartFile, run: RunConstants)], _ frame: PartFrame) throws(FileError) {
        let (part, first) = runs[0]
        func damage(_ message: String) -> FileError {
            FileError(part.path, "of the weight with quant state \(first.state) \(message)", hint: Self.hint)
        }
        guard let metadata = frame.metadata, metadata.states.indices.contains(first.state) else {
            throw damage("there are runs, but the output has no such state")
        }
        var absmax: [Float] = []
        for (part, run) in runs {
            guard run.belongs(to: first), run.firstBlock == absmax.count else { throw damage("runs do not follow each other") }
            let bytes = try part.piece(run.name)
            guard bytes.count == 4 * run.blockCount else { throw damage("a run has other constants than one for each block") }
            absmax += bytes.withUnsafeBytes { bytes in
                (0..<run.blockCount).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
        }
        guard absmax.count == first.wholeBlockCount else {
            throw damage("there are constants of \(absmax.count) blocks, but it has \(first.wholeBlockCount)")
        }
        let constants = QuantizedConstants(absmax, first.settings)
        var tensors: [(index: Int, bytes: [UInt8])] = []
        for (kind, bytes) in constants.parts {
            guard let index = first.tensors[kind], frame.tensors.indices.contains(index), frame.tensors[index].byteCount == bytes.count
            else {
                throw damage("the output has no room for '\(kind.rawValue)'")
            }
            tensors.append((index, bytes))
        }
        guard tensors.count == first.tensors.count else {
            throw damage("the output has other constants")
        }
        do throws(QuantizationError) {
            stateText = try QuantState(settings: first.settings, scalarType: first.scalarType, shape: first.shape, offset: constants.offset)
                .jsonText
        } catch {
            throw FileError(
                part.path, at: "tensor '\(frame.tensors[tensors[0].index].name)'", error.message,
                hint: "its values are too large to be averaged; use `plainConstants`")
        }
        state = first.state
        self.tensors = tensors
    }

    private static let hint = "the parts are damaged; make them again"
}
