import TestSupport
import Testing
import Tokenization

@Suite struct StreamingDecoderTests {
    @Test(arguments: TokenizerFolder.fixtures)
    func piecesMakeTheWholeText(_ name: String) throws {
        let tokenizer = try TokenizerFolder.fixture(name)
        for vector in try TokenizerFolder.vectors(in: "\(TokenizerFolder.fixtureRoot)/\(name)").cases {
            var decoder = StreamingDecoder(tokenizer, beginsText: true)
            var pieces = vector.ids.map { decoder.append($0) }
            pieces.append(decoder.finish())
            #expect(sameBytes(pieces.joined(), tokenizer.decode(vector.ids)))
            // The reference's texts are whole, so no piece may hold what stands for a broken character.
            #expect(!pieces.contains { $0.unicodeScalars.contains("\u{fffd}") } || vector.text.unicodeScalars.contains("\u{fffd}"))
        }
    }

    /// Bytes, and what each of them lets through.
    @Test(
        arguments: [
            ([0xe2, 0x82, 0xac, 0x41], ["", "", "€", "A"], ""),
            ([0xf0, 0x9f, 0x99], ["", "", ""], "\u{fffd}"),
            ([0xe2, 0x82, 0x41], ["", "", "\u{fffd}A"], ""),
            ([0xff, 0x41], ["\u{fffd}", "A"], ""),
            ([0x80, 0x80], ["\u{fffd}", "\u{fffd}"], ""),
            ([0xc3, 0xc3, 0xa9], ["", "\u{fffd}", "é"], ""),
        ] as [([UInt8], [String], String)])
    func completesCharacters(bytes: [UInt8], pieces: [String], rest: String) throws {
        let tokenizer = try TokenizerFolder.fixture("sentencepiece")
        var decoder = StreamingDecoder(tokenizer)
        for (byte, piece) in zip(bytes, pieces) {
            let digits = String(byte, radix: 16, uppercase: true)
            #expect(decoder.append(try #require(tokenizer.id(of: "<0x\(digits)>"))) == piece)
        }
        #expect(decoder.finish() == rest)
    }

    @Test func anyIdsDecodeToTheSameInPieces() throws {
        for name in ["sample", "sentencepiece", "added"] {
            let tokenizer = try TokenizerFolder.fixture(name)
            var generator = SeededGenerator(seed: 5)
            let ids = (0..<2000).map { _ in TokenID.random(in: 0..<TokenID(tokenizer.idCount), using: &generator) }
            var bytes: [UInt8] = []
            for id in ids where !tokenizer.isSpecial(id) { bytes += tokenizer.bytes(of: id) }
            var decoder = StreamingDecoder(tokenizer)
            var text = ""
            for id in ids { text += decoder.append(id) }
            #expect(sameBytes(text + decoder.finish(), String(decoding: bytes, as: UTF8.self)))
        }
    }

    @Test func keepsTheSpaceOfWhatGoesOn() throws {
        let tokenizer = try TokenizerFolder.fixture("marks-legacy")
        let ids = tokenizer.encode("the the", EncodingOptions(addsSpecialTokens: false))
        #expect(tokenizer.decode(ids) == "the the")
        var decoder = StreamingDecoder(tokenizer)
        #expect(ids.map { decoder.append($0) }.joined() == " the the")
    }

    @Test func showsSpecialTokensOnRequest() throws {
        let tokenizer = try TokenizerFolder.fixture("llama3")
        let ids = tokenizer.encode("a<|endoftext|>b")
        #expect(tokenizer.decode(ids) == "ab")
        #expect(tokenizer.decode(ids, showsSpecialTokens: true) == "<|begin_of_text|>a<|endoftext|>b")
        #expect(tokenizer.decode([-1, 1 << 20, TokenID.max, TokenID.min]) == "")
    }
}
