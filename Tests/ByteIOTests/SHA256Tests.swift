import ByteIO
import Testing

@Suite struct SHA256Tests {
    /// From FIPS 180-4's examples, and those of NIST's CAVP around the ends of a block.
    static let vectors: [(bytes: [UInt8], digest: String)] = [
        ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        ([0xbd], "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"),
        ([UInt8](repeating: 0, count: 55), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"),
        ([UInt8](repeating: 0, count: 56), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"),
        ([UInt8](repeating: 0, count: 57), "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785"),
        ([UInt8](repeating: 0, count: 64), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"),
        ([UInt8](repeating: 0, count: 1000), "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"),
    ]

    @Test("gives known digests", arguments: vectors)
    func givesKnownDigests(bytes: [UInt8], digest: String) {
        var hash = SHA256()
        hash.append(bytes)
        #expect(hash.finish() == digest)
    }

    @Test func aMillionBytes() {
        var hash = SHA256()
        for _ in 0..<1000 { hash.append([UInt8](repeating: UInt8(ascii: "a"), count: 1000)) }
        #expect(hash.finish() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func doesNotDependOnHowBytesArrive() {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 * 7) }
        var whole = SHA256()
        whole.append(bytes)
        let digest = whole.finish()
        for count in 1...130 {
            var parts = SHA256()
            for start in stride(from: 0, to: bytes.count, by: count) { parts.append(Array(bytes[start..<min(start + count, bytes.count)])) }
            #expect(parts.finish() == digest, "\(count)")
        }
    }
}
