import TestSupport
import Testing

@testable import GGUFFormat

/// The check by hand says what the standard library says.
@Suite struct UTF8CheckTests {
    private func check(_ bytes: [UInt8]) {
        let expected = String(validating: bytes, as: UTF8.self) != nil
        #expect(bytes.withUnsafeBytes(isUTF8) == expected, "\(bytes)")
    }

    /// Every first and second byte, with every kind of what follows, alone and behind other characters.
    @Test func agreesOnEveryBeginning() {
        let kinds: [UInt8] = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe1, 0xf1, 0xff]
        for first in UInt8.min...UInt8.max {
            check([first])
            check([0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, first])
            for second in UInt8.min...UInt8.max {
                check([first, second])
                guard first >= 0xc0, second & 0xf == 0 || second & 0xf == 0xf else { continue }
                for third in kinds {
                    check([first, second, third])
                    for fourth in kinds { check([first, second, third, fourth]) }
                }
            }
        }
    }

    @Test func agreesOnTextsOfAnyLength() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<12, using: &generator) {
                let scalars: [Unicode.Scalar] = [
                    "a", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}",
                ]
                bytes += String(scalars.randomElement(using: &generator) ?? "a").utf8
            }
            check(bytes)
            guard let place = bytes.indices.randomElement(using: &generator) else { continue }
            bytes[place] = UInt8.random(in: 0...255, using: &generator)
            check(bytes)
            check(Array(bytes[..<place]))
        }
    }
}
