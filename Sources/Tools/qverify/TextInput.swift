import Architectures
import ByteIO
import CommandLineKit
import Evaluation
import Platform
import Tokenization
import Transformer

/// A text as models are to read it, and how it was cut.
struct TextInput {
    let path: String
    let windows: TextWindows
    let context: Int
    let stride: Int
    /// Bytes of the tokens that are predicted.
    let predictedByteCount: Int

    /// Of records: how many are read; nil of a text.
    let recordCount: Int?

    /// Reads a text, or records, and cuts it for all of the models, which must have the same tokens.
    init(_ reading: ReadingOptions, for models: [MeasuredModel], _ console: Console) throws {
        context = try Self.context(reading.context, for: models)
        stride = reading.stride ?? context
        guard stride <= context else {
            throw UsageError("--stride \(stride) is longer than the context of \(context) tokens: some would be left out")
        }
        if let path = reading.data {
            let records = try RecordInput(path, reading, for: models, limit: context, console)
            self.path = path
            (windows, recordCount) = (records.windows, records.recordCount)
        } else {
            let path = reading.path ?? "-"
            self.path = path == "-" ? "standard input" : path
            windows = try TextWindows(Self.ids(path, reading, for: models), context: context, stride: stride)
            recordCount = nil
        }
        let tokenizer = models[0].tokenizer
        let ids = windows.ids
        predictedByteCount = windows.predicted.reduce(0) { $0 + tokenizer.bytes(of: ids[$1]).count }
    }

    private static func ids(_ path: String, _ reading: ReadingOptions, for models: [MeasuredModel]) throws -> [TokenID] {
        let text = try Self.read(path)
        let options = EncodingOptions(findsSpecialTokens: reading.findsSpecialTokens)
        let ids = models[0].tokenizer.encode(text, options)
        try models[0].check(ids)
        for model in models.dropFirst() {
            let others = model.tokenizer.encode(text, options)
            try model.check(others)
            try requireSame(ids, others, models[0], model)
        }
        return reading.tokenLimit.map { Array(ids.prefix($0)) } ?? ids
    }

    /// - Throws: where two models read other tokens.
    static func requireSame(_ ids: [TokenID], _ others: [TokenID], _ first: MeasuredModel, _ second: MeasuredModel) throws {
        guard others != ids else { return }
        let place = zip(ids, others).enumerated().first { $1.0 != $1.1 }?.offset ?? min(ids.count, others.count)
        throw EvaluationError(
            "\(first.path) and \(second.path) cut the text into different tokens, first at token \(place + 1)",
            hint: "only models with the same tokenizer can be compared token by token")
    }

    private static func context(_ asked: Int?, for models: [MeasuredModel]) throws -> Int {
        guard let context = asked else {
            return max(2, models.map(\.configuration.contextLength).reduce(MeasuredModel.defaultContext, min))
        }
        for model in models where model.weights.positions != nil && context > model.configuration.contextLength {
            throw UsageError("--context \(context): \(model.path) has learned \(model.configuration.contextLength) positions and no more")
        }
        return context
    }

    private static func read(_ path: String) throws -> String {
        let name = path == "-" ? "standard input" : path
        let bytes = path == "-" ? try readStandardInput() : try InputFile(path: path).allBytes(limit: byteCountLimit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            // What decoding replaces is longer or shorter than what was there; before it, both are equal.
            let offset = zip(bytes, String(decoding: bytes, as: UTF8.self).utf8).enumerated().first { $1.0 != $1.1 }?.offset ?? bytes.count
            throw FileError(name, at: "byte \(offset)", "is not UTF-8")
        }
        return text
    }

    /// It is held in memory whole.
    private static let byteCountLimit = 1 << 30

    private static func readStandardInput() throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { Platform.read(STDIN_FILENO, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw FileError("standard input", "cannot be read: \(String(cString: strerror(errno)))") }
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= byteCountLimit else {
                throw FileError("standard input", "has more than the \(byteCountLimit) bytes that are read of a text")
            }
        }
    }
}

extension EvaluationError: Explained {}
