import Architectures
import ByteIO
import CommandLineKit
import Evaluation
import Glibc
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

    /// Reads a text and cuts it for all of the models, which must have the same tokens.
    init(_ reading: ReadingOptions, for models: [MeasuredModel]) throws {
        let path = reading.path ?? "-"
        let text = try Self.read(path)
        let options = EncodingOptions(findsSpecialTokens: reading.findsSpecialTokens)
        var ids = models[0].tokenizer.encode(text, options)
        try models[0].check(ids)
        for model in models.dropFirst() {
            let others = model.tokenizer.encode(text, options)
            try model.check(others)
            guard others != ids else { continue }
            let place = zip(ids, others).enumerated().first { $1.0 != $1.1 }?.offset ?? min(ids.count, others.count)
            throw EvaluationError(
                "\(models[0].path) and \(model.path) cut the text into different tokens, first at token \(place + 1)",
                hint: "only models with the same tokenizer can be compared token by token")
        }
        if let limit = reading.tokenLimit { ids = Array(ids.prefix(limit)) }
        context = try Self.context(reading.context, for: models)
        stride = reading.stride ?? context
        guard stride <= context else {
            throw UsageError("--stride \(stride) is longer than the context of \(context) tokens: some would be left out")
        }
        self.path = path == "-" ? "standard input" : path
        windows = try TextWindows(ids, context: context, stride: stride)
        predictedByteCount = windows.windows.reduce(0) { count, window in
            ids[window.firstPredicted..<window.range.upperBound].reduce(count) { $0 + models[0].tokenizer.bytes(of: $1).count }
        }
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
            let count = buffer.withUnsafeMutableBytes { Glibc.read(STDIN_FILENO, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw FileError("standard input", "cannot be read: \(String(cString: strerror(errno)))") }
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= byteCountLimit else {
                throw FileError("standard input", "has more than the \(byteCountLimit) bytes that are read of a text")
            }
        }
    }

    /// `256 tokens every 128`.
    var windowText: String { stride == context ? "windows of \(context)" : "windows of \(context), every \(stride)" }
}

extension EvaluationError: Explained {}
