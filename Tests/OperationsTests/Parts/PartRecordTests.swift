import ByteIO
import JSONText
import Testing

@testable import Parts

/// What a part says it has found: read as it was written, and nothing that could not be.
@Suite struct PartRecordTests {
    private static let head =
        #"{"tensors":2,"sources":1,"source_runs":1,"states":1,"constants":1,"pieces":1,"overflows":0,"underflows":3,"#
        + #""reference_squares":2.5,"error_squares":0.5,"nonfinite":[["w",7]],"warnings":["odd"]}"#
    private static let constants =
        #"{"state":4,"quant_type":"nf4","block_size":64,"double_quant":true,"dtype":"BF16","shape":[4,96],"#
        + #""tensors":[[".absmax",2],[".quant_map",3]],"first_block":2,"blocks":4}"#
    private static let lines = [
        head, #"[0,"00000001"]"#, #"[1,"00000002",64,192]"#, #"[5,"00000003"]"#, #"[6,"00000004",128,384,768,"0000000a","w"]"#,
        #"[3,"{}"]"#, constants, #"["part/frame","00000005"]"#,
    ]

    private static func text(_ lines: [String]) -> [UInt8] { Array(lines.map { $0 + "\n" }.joined().utf8) }

    @Test func isReadAsItIsWritten() throws {
        let record = try PartRecord(lines: Self.text(Self.lines), path: "p")
        #expect(record.lines == Self.text(Self.lines))
        #expect(record.tensors[0].bytes == nil && record.tensors[1].bytes == 64..<192)
        #expect(record.sourceRuns[0].name == "w" && record.sourceRuns[0].byteCount == 768)
        #expect(record.constants[0].wholeBlockCount == 6 && record.constants[0].name == "part/constants/4")
    }

    @Test(arguments: [
        (2, #"[1,"00000002",64]"#), (2, #"[1,"00000002",64,64]"#), (2, #"[1,"00000002",-1,64]"#), (2, #"[1,"00000002",0,"64"]"#),
        (4, #"[6,"00000004",128,384,768,"0000000a"]"#), (4, #"[6,"00000004",128,384,768,"a","w"]"#),
        (4, #"[6,"00000004",384,128,768,null,"w"]"#), (4, #"[6,"00000004",128,384,"768",null,"w"]"#),
        (6, constants.replacing("nf4", with: "nf5")), (6, constants.replacing(#""block_size":64"#, with: #""block_size":65"#)),
        (6, constants.replacing("[4,96]", with: "[4,-96]")), (6, constants.replacing("[4,96]", with: "[4611686018427387904,96]")),
        (6, constants.replacing("[4,96]", with: "[9223372036854775807]")),
        (6, constants.replacing(#"[".quant_map",3]"#, with: #"[".quant_map",2]"#)),
        (6, constants.replacing(".quant_map", with: ".absmax")), (6, constants.replacing(".quant_map", with: ".codes")),
        (6, constants.replacing(#""first_block":2"#, with: #""first_block":3"#)),
        (6, constants.replacing(#""first_block":2"#, with: #""first_block":-1"#)),
        (6, constants.replacing(#""blocks":4"#, with: #""blocks":0"#)),
        (6, constants.replacing(#""blocks":4"#, with: #""blocks":9223372036854775807"#)), (6, "[]"),
    ])
    func refusesWhatCannotBe(_ number: Int, _ line: String) throws {
        var lines = Self.lines
        lines[number] = line
        let error = try #require(throws: FileError.self) { try PartRecord(lines: Self.text(lines), path: "p") }
        #expect(error.message == "the results has something else than expected in line \(number + 1)")
    }

    @Test func theFirstOfSeveralRunsCounts() {
        var all = PartResults(), other = PartResults()
        (all.nonfinite, other.nonfinite) = ([("w", 9), ("v", 1)], [("w", 5), ("u", 2)])
        all.append(other)
        #expect(all.nonfinite.map(\.name) == ["w", "v", "u"] && all.nonfinite.map(\.index) == [5, 1, 2])
    }
}
