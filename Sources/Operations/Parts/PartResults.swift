package import ByteIO
import JSONText
package import Streaming

/// What a part has found besides bytes: together with the frame, all that headers and reports need.
package struct PartResults: Sendable {
    /// Quant states, by their index among those of the frame.
    package var states: [(index: Int, text: String)] = []
    package var narrowing = NarrowingCounts()
    /// Weights that were quantized although they hold NaN or infinities: name and index of the first.
    package var nonfinite: [(name: String, index: Int)] = []
    /// Of what was stored in blocks: the values' squares, and those of the errors.
    package var squares = (reference: 0.0, error: 0.0)
    package var warnings: [String] = []

    package init() {}

    /// Root of the mean squared error in proportion to the values; nil where nothing was stored in blocks.
    package var relativeError: Double? { squares.reference > 0 ? (squares.error / squares.reference).squareRoot() : nil }

    /// What two parts have found.
    package mutating func append(_ other: PartResults) {
        states += other.states
        narrowing = narrowing + other.narrowing
        for found in other.nonfinite {
            // Two parts may have runs of one weight.
            if let place = nonfinite.firstIndex(where: { $0.name == found.name }) {
                nonfinite[place].index = min(nonfinite[place].index, found.index)
            } else {
                nonfinite.append(found)
            }
        }
        squares = (squares.reference + other.squares.reference, squares.error + other.squares.error)
        warnings += other.warnings
    }
}

/// Results as they stand in a part: lines of JSON, one of what there is once, then one for each tensor of the output, each tensor of
/// the source, each quant state and each piece of the first part with their checksums.
package struct PartRecord: Sendable {
    /// Of a tensor, or of some bytes of it.
    struct Row: Sendable {
        /// In the frame, or in the source.
        let index: Int
        let checksum: CRC32C
        /// Nil for all.
        var bytes: Range<Int>?
    }

    /// Some bytes of a tensor of the source, of which other parts read others.
    struct SourceRun: Sendable {
        let index: Int
        let name: String
        let bytes: Range<Int>
        let checksum: CRC32C
        /// Of the whole tensor: its length, and what the source says of its checksum.
        let byteCount: Int
        let stated: CRC32C?
    }

    var results: PartResults
    /// Tensors of the output that the part holds, by their index in the frame.
    var tensors: [Row] = []
    /// Tensors of the source that it has read.
    var sources: [Row] = []
    var sourceRuns: [SourceRun] = []
    /// Of weights of which it has a run.
    package internal(set) var constants: [RunConstants] = []
    /// What else the part holds.
    var pieces: [(name: String, checksum: CRC32C)] = []

    /// Of values: more than any model has, and so few that those of all parts can be added up.
    private static let countLimit = 1 << 44

    init(_ results: PartResults) { self.results = results }

    package var lines: [UInt8] {
        var writer = LineWriter()
        writer.append(
            .object([
                "tensors": .integer(tensors.count), "sources": .integer(sources.count), "source_runs": .integer(sourceRuns.count),
                "states": .integer(results.states.count), "constants": .integer(constants.count),
                "pieces": .integer(pieces.count), "overflows": .integer(results.narrowing.overflows),
                "underflows": .integer(results.narrowing.underflows), "reference_squares": .double(results.squares.reference),
                "error_squares": .double(results.squares.error),
                "nonfinite": .array(results.nonfinite.map { .array([.string($0.name), .integer($0.index)]) }),
                "warnings": .strings(results.warnings),
            ]))
        for row in tensors + sources {
            let bytes = row.bytes.map { [JSONValue.integer($0.lowerBound), .integer($0.upperBound)] } ?? []
            writer.append(.array([.integer(row.index), .string(row.checksum.description)] + bytes))
        }
        for run in sourceRuns {
            writer.append(
                .array([
                    .integer(run.index), .string(run.checksum.description), .integer(run.bytes.lowerBound), .integer(run.bytes.upperBound),
                    .integer(run.byteCount), run.stated.map { .string($0.description) } ?? .null, .string(run.name),
                ]))
        }
        for state in results.states { writer.append(.array([.integer(state.index), .string(state.text)])) }
        for constants in constants { writer.append(constants.document) }
        for piece in pieces { writer.append(.array([.string(piece.name), .string(piece.checksum.description)])) }
        return writer.bytes
    }

    package init(lines: [UInt8], path: String) throws(FileError) {
        var reader = LineReader(lines, path: path, of: "the results")
        let head = try reader.next()
        guard let tensorCount = head["tensors"]?.integer, let sourceCount = head["sources"]?.integer,
            let runCount = head["source_runs"]?.integer, let constantsCount = head["constants"]?.integer,
            let stateCount = head["states"]?.integer, let pieceCount = head["pieces"]?.integer,
            let overflows = head["overflows"]?.integer, let underflows = head["underflows"]?.integer,
            (0...Self.countLimit).contains(overflows), (0...Self.countLimit).contains(underflows),
            let nonfinite = head["nonfinite"]?.array, let warnings = head["warnings"]?.array
        else { throw reader.damage() }
        results = PartResults()
        results.narrowing = NarrowingCounts(overflows: overflows, underflows: underflows)
        results.squares = (head["reference_squares"]?.double ?? .nan, head["error_squares"]?.double ?? .nan)
        results.warnings = warnings.compactMap(\.string)
        for row in nonfinite {
            guard let words = row.array, words.count == 2, let name = words[0].string, let index = words[1].integer else {
                throw reader.damage()
            }
            results.nonfinite.append((name, index))
        }
        tensors = try Self.rows(tensorCount, &reader)
        sources = try Self.rows(sourceCount, &reader)
        for _ in 0..<max(0, runCount) { sourceRuns.append(try Self.sourceRun(&reader)) }
        for _ in 0..<max(0, stateCount) {
            guard let row = try reader.next().array, row.count == 2, let index = row[0].integer, let text = row[1].string else {
                throw reader.damage()
            }
            results.states.append((index, text))
        }
        for _ in 0..<max(0, constantsCount) {
            guard let run = RunConstants(try reader.next()) else { throw reader.damage() }
            constants.append(run)
        }
        for _ in 0..<max(0, pieceCount) {
            guard let row = try reader.next().array, row.count == 2, let name = row[0].string,
                let checksum = row[1].string.flatMap({ CRC32C(hexadecimal: $0) })
            else { throw reader.damage() }
            pieces.append((name, checksum))
        }
        try reader.expectEnd()
    }

    private static func rows(_ count: Int, _ reader: inout LineReader) throws(FileError) -> [Row] {
        var rows: [Row] = []
        for _ in 0..<max(0, count) {
            guard let row = try reader.next().array, row.count == 2 || row.count == 4, let index = row[0].integer,
                let checksum = row[1].string.flatMap({ CRC32C(hexadecimal: $0) })
            else { throw reader.damage() }
            rows.append(Row(index: index, checksum: checksum, bytes: row.count == 2 ? nil : try bytes(row[2], row[3], reader)))
        }
        return rows
    }

    private static func sourceRun(_ reader: inout LineReader) throws(FileError) -> SourceRun {
        guard let row = try reader.next().array, row.count == 7, let index = row[0].integer,
            let checksum = row[1].string.flatMap({ CRC32C(hexadecimal: $0) }), let byteCount = row[4].integer, let name = row[6].string
        else { throw reader.damage() }
        let stated = row[5].string.flatMap { CRC32C(hexadecimal: $0) }
        guard stated != nil || row[5] == .null else { throw reader.damage() }
        return SourceRun(
            index: index, name: name, bytes: try bytes(row[2], row[3], reader), checksum: checksum, byteCount: byteCount, stated: stated)
    }

    private static func bytes(_ lower: JSONValue, _ upper: JSONValue, _ reader: LineReader) throws(FileError) -> Range<Int> {
        guard let lower = lower.integer, let upper = upper.integer, lower >= 0, upper > lower else { throw reader.damage() }
        return lower..<upper
    }
}
