import Architectures
package import ByteIO
package import Calibration
import Checkpoints
package import CommandLineKit
package import JSONText
package import ModelLoading
import PromptSupport
import Prompts
import Records
import Tokenization

/// Texts that a model is run on to see the inputs of its layers, read and cut.
package struct CalibrationText: Sendable {
    package struct Source: Sendable {
        package let path: String
        /// Of what is in the file, whatever it was compressed with.
        package let checksum: CRC32C
        /// That were taken of it.
        package let tokenCount: Int
    }

    /// In the order of the command line.
    package let sources: [Source]
    package let samples: CalibrationSamples
    /// As it was asked for.
    package let tokenLimit: Int
    /// Tokens of a window.
    package let window: Int

    /// Where nothing else is asked for to quantize by: twice as many take twice as long and gain little.
    package static let defaultTokenLimit = 16384

    /// The word for the text that ships with the tools.
    package static let defaultWord = "default"

    /// What templates are told of the date: the same on every day.
    private static let date = "2024-07-26"

    /// Reads texts, and records as the model's template writes them; of each file as much as of the others, spread over all of it.
    ///
    /// - Parameters:
    ///   - paths: of files, or `default`.
    ///   - tokenLimit: of all files together.
    /// - Throws: where there is no tokenizer, a file is no text and no records, or is too short.
    package init(_ paths: [String], tokenLimit: Int, for model: LayeredModel, _ console: Console) throws {
        try self.init(paths.map { CalibrationInput($0) }, tokenLimit: tokenLimit, for: model, console)
    }

    /// The same, of what adapters bring along, too.
    package init(_ inputs: [CalibrationInput], tokenLimit: Int, for model: LayeredModel, _ console: Console) throws {
        precondition(!inputs.isEmpty, "there is something to read")
        let paths = inputs.map(\.path)
        let checkpoint = model.checkpoint
        window = min(CalibrationSamples.defaultWindow, model.configuration.contextLength)
        let tokenizer = try checkpoint.tokenizer()
        for warning in tokenizer.warnings { console.warning("\(checkpoint.path): \(warning)") }
        let texts = try inputs.map { try Self.ids(of: $0, limit: tokenLimit, tokenizer, checkpoint.path, console) }
        var chosen: [Int: CalibrationSamples] = [:]
        // What a short file leaves, the longer ones share.
        var left = tokenLimit
        for (number, index) in texts.indices.sorted(by: { (texts[$0].count, $0) < (texts[$1].count, $1) }).enumerated() {
            let share = left / (texts.count - number)
            do throws(ModelError) {
                chosen[index] = try CalibrationSamples(
                    texts: [texts[index].ids], beginning: tokenizer.frame.before, window: window, tokenLimit: share)
            } catch {
                throw Failure("\(paths[index]): \(error.message)", hint: error.hint)
            }
            left -= chosen[index]?.tokenCount ?? 0
        }
        samples = CalibrationSamples(paths.indices.flatMap { chosen[$0]?.samples ?? [] })
        sources = paths.indices.map {
            Source(path: paths[$0], checksum: texts[$0].checksum, tokenCount: chosen[$0]?.tokenCount ?? 0)
        }
        self.tokenLimit = tokenLimit
    }

    /// Of the tokens themselves and which of them were held out: with the same the same comes out.
    package var digest: String {
        var hash = SHA256()
        for sample in samples.samples {
            var bytes: [UInt8] = [sample.isHeldOut ? 1 : 0]
            for value in [TokenID(sample.ids.count)] + sample.ids { bytes += (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
            hash.append(bytes)
        }
        return "sha256:" + hash.finish()
    }

    /// For a lineage.
    ///
    /// - Parameters:
    ///   - damping: of what is done with the moments.
    ///   - chunkWidth: inputs that these are of together at most; nil for all.
    package func note(damping: Double, chunkWidth: Int? = nil) -> CalibrationNote {
        CalibrationNote(
            texts: sources.map {
                CalibrationNote.Text(
                    name: FilePath.name(of: $0.path), checksum: $0.checksum.description, tokenCount: $0.tokenCount)
            }, tokenLimit: tokenLimit, tokenCount: samples.tokenCount, heldOutCount: samples.heldOutCount, samplesDigest: digest,
            window: window, damping: damping, chunkWidth: chunkWidth)
    }

    /// For a lineage that says of moments what it has to elsewhere.
    package var document: JSONObject {
        JSONObject([
            "texts": .array(note(damping: 1).texts.map(\.document)), "token_limit": .integer(tokenLimit),
            "tokens": .integer(samples.calibratingCount), "held_out": .integer(samples.heldOutCount), "samples": .string(digest),
        ])
    }

    /// Tokens of a file without what frames a text: of many records or a long text, parts that are evenly spread.
    private static func ids(
        of input: CalibrationInput, limit: Int, _ tokenizer: Tokenizer, _ model: String, _ console: Console
    ) throws -> (ids: [TokenID], checksum: CRC32C, count: Int) {
        let path = input.path
        let options = EncodingOptions(addsSpecialTokens: false)
        func encoded(_ text: String, _ checksum: CRC32C) -> (ids: [TokenID], checksum: CRC32C, count: Int) {
            let ids = parts(of: Array(text.utf8), limit: limit).flatMap { tokenizer.encode(String(decoding: $0, as: UTF8.self), options) }
            return (ids, checksum, ids.count)
        }
        if let texts = input.texts {
            let ids = texts.flatMap { tokenizer.encode($0, options) }
            return (ids, CRC32C(of: Array(JSONValue.strings(texts).text(.compact).utf8)), ids.count)
        }
        if path == defaultWord { return encoded(DefaultText.text, CRC32C(of: Array(DefaultText.text.utf8))) }
        let set = try DataSet.open(path)
        if case .text(let text)? = set.onlyText { return encoded(text, set.checksum) }
        let template = try PromptOptions(date: date).template(for: tokenizer, path: model, otherwise: .alpaca, console)
        let encoder = SampleEncoder(tokenizer, template: template, lesson: .all, swaps: false, limit: CalibrationSamples.defaultWindow)
        // Of eight tokens each there are enough.
        let count = min(set.records.count, max(64, limit / 8))
        let chosen = (0..<count).map { ((2 * $0 + 1) * set.records.count) / (2 * count) }
        do throws(SampleError) {
            let ids = try encoder.encode(chosen.map { ($0, set.records[$0]) }).samples.flatMap(\.tokens)
            return (ids, set.checksum, ids.count)
        } catch {
            throw Failure("\(path): \(set.places[error.record]): \(error.reason)", hint: error.reason.hint ?? "leave out such records")
        }
    }

    /// All of a text, or of a long one sixteen parts that begin after the ends of lines.
    private static func parts(of text: [UInt8], limit: Int) -> [ArraySlice<UInt8>] {
        let count = 16, length = 4 * limit
        guard text.count > 2 * count * length else { return [text[...]] }
        return (0..<count).map { part in
            let place = part * (text.count / count)
            // No character is cut in two.
            func whole(_ place: Int) -> Int { text[place...].firstIndex { $0 & 0xc0 != 0x80 } ?? text.count }
            let start = part == 0 ? 0 : whole((text[place..<place + length].firstIndex(of: 0x0a) ?? place) + 1)
            return text[start..<whole(start + length)]
        }
    }
}
