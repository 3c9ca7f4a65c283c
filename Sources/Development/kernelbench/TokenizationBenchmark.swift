import ByteIO
import Platform
import Tokenization

/// Text to ids, one thread: with OpenAI's vocabulary where QNF_DATA names a folder that has it (`tokenizers/gpt2`), else
/// with the sample's.
struct TokenizationBenchmark {
    /// MB/s of English text.
    private static let target = 10.0

    /// From the folder of the repository.
    func run() throws {
        let own = "samples/gpt2-tensorflow"
        guard FilePath.kind(of: own) == .folder else { return print("tokenizing: skipped, as \(own) is not here") }
        let others = getenv("QNF_DATA").map { String(cString: $0) + "/tokenizers/gpt2" }
        let path = others.flatMap { FilePath.kind(of: $0) == .folder ? $0 : nil } ?? own
        let files = try FilePath.entries(of: path).filter(TokenizerFile.names.contains).map { name in
            TokenizerFile(name: name, bytes: try InputFile(path: "\(path)/\(name)").allBytes(limit: 1 << 26))
        }
        let tokenizer = try Tokenizer.open(files, path: path)
        let english = String(decoding: try InputFile(path: "samples/text/heldout.txt").allBytes(limit: 1 << 20), as: UTF8.self)
        print("tokenizing, \(path), one thread, medians of 9 runs; target for English text \(Int(Self.target)) MB/s")
        let opening = Measurement { precondition((try? Tokenizer.open(files, path: path)) != nil) }.seconds
        print("  open: \(Self.shown(opening * 1000)) ms")
        measure("English, every word met before", english, tokenizer)
        measure("words by Zipf's law, every seventh one new", Self.zipfText(byteCount: 4 << 20), tokenizer)
        measure("one word of 1 MB", String(repeating: "abracadabra", count: 95_325), tokenizer)
        measure("Chinese-like, no spaces", Self.ideographs(count: 300_000), tokenizer)
    }

    private func measure(_ name: String, _ text: String, _ tokenizer: Tokenizer) {
        let options = EncodingOptions(addsSpecialTokens: false)
        let ids = tokenizer.encode(text, options)
        let encoding = Measurement { precondition(tokenizer.encode(text, options).count == ids.count) }.seconds
        let decoding = Measurement { precondition(tokenizer.decode(ids).utf8.count == text.utf8.count) }.seconds
        let megabytes = Double(text.utf8.count) / 1e6
        print("  \(name): encode \(Self.shown(megabytes / encoding)) MB/s, decode \(Self.shown(megabytes / decoding)) MB/s")
    }

    /// Words of two to four syllables, the nth as frequent as 1/n, and now and then one that does not come again: more new
    /// words than English has, and cut into more tokens.
    private static func zipfText(byteCount: Int) -> String {
        let syllables = "the re in an on er ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de hi ri ro ic ne ea ra ce"
            .split(separator: " ")
        var random = SeededNumbers(state: 1)
        func word() -> String {
            (0..<2 + Int(random.next() % 3)).map { _ in syllables[Int(random.next() % UInt64(syllables.count))] }.joined()
        }
        let words = (0..<20000).map { _ in word() }
        var text = ""
        while text.utf8.count < byteCount {
            let rank = exp(Double(random.next()) * 0x1p-31 * log(Double(words.count)))
            text += random.next() % 7 == 0 ? word() : words[Int(rank) - 1]
            text += random.next() % 12 == 0 ? ", " : random.next() % 15 == 0 ? ".\n" : " "
        }
        return text
    }

    private static func ideographs(count: Int) -> String {
        var random = SeededNumbers(state: 2)
        var text = ""
        for _ in 0..<count { text.unicodeScalars.append(Unicode.Scalar(UInt32(0x4e00 + random.next() % 3000)) ?? "一") }
        return text
    }

    private static func shown(_ value: Double) -> String { String(Double(Int(value * 10)) / 10) }
}

/// The same numbers in every run.
private struct SeededNumbers {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}
