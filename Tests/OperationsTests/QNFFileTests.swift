import ByteIO
import Checkpoints
import Glibc
import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion
@testable import Inspection
@testable import Streaming

/// No damage to a .qnf goes unnoticed, and none that claims to be one is believed.
@Suite struct QNFFileTests {
    /// A small model with everything a .qnf can hold: double quantization, a Conv1D weight, dense tensors, companions.
    static func makeModel(in folder: TemporaryFolder) throws -> [UInt8] {
        var generator = SeededGenerator(seed: 3)
        let tensors = [
            StoredTensor("h.0.attn.c_attn.weight", [5, 15], generator.normals(count: 75)), StoredTensor("ln_f.bias", [3], [1, 2, 3]),
            StoredTensor("steps", .i64, [], [1, 2, 3, 4, 5, 6, 7, 8]), StoredTensor("empty", .f16, [0], []),
        ]
        try folder.makeFolder("source")
        try folder.write(tensors.safetensors(), to: "source/model.safetensors")
        try folder.write("{\"model_type\": \"gpt2\"}", to: "source/config.json")
        try folder.write("MIT", to: "source/LICENSE")
        try convert(folder.path("source"), to: folder.path("model.qnf"))
        return try folder.bytes("model.qnf")
    }

    /// Opened and every byte checked: what is wrong, or nil.
    static func problem(_ path: String) -> String? {
        do {
            let checkpoint = try Checkpoint.open(path)
            guard checkpoint.kind == .qnf else { return nil }
            let report = try IntegrityCheck(checkpoint, resources: Resources(threadCount: 1, chunkElementCount: 64)).run()
            return report.problems.first.map { "\($0.tensor ?? ""): \($0.message)" }
        } catch { return "\(error)" }
    }

    @Test func soundFileHasNoProblem() throws {
        let folder = try TemporaryFolder()
        _ = try Self.makeModel(in: folder)
        #expect(Self.problem(folder.path("model.qnf")) == nil)
        let checkpoint = try Checkpoint.open(folder.path("model.qnf"))
        let report = try IntegrityCheck(checkpoint, resources: Resources(threadCount: 2, chunkElementCount: 64)).run()
        #expect(report.checksumCount == checkpoint.source.tensors.count && report.tensorCount == report.checksumCount)
        #expect(report.checkedByteCount == checkpoint.storedByteCount)
        // A GPT-2 has more than these three tensors.
        #expect(report.flaws.allSatisfy { $0.message.hasPrefix("is missing") || $0.message.hasPrefix("the whole layer is missing") })
    }

    @Test func findsEveryChangedByte() throws {
        let folder = try TemporaryFolder()
        let whole = try Self.makeModel(in: folder)
        #expect(whole.count > 3000)
        let file = try #require(fopen(folder.path("model.qnf"), "r+b"))
        defer { fclose(file) }
        setvbuf(file, nil, _IONBF, 0)
        func set(_ offset: Int, _ byte: UInt8) {
            fseek(file, offset, SEEK_SET)
            fputc(Int32(byte), file)
        }
        for (offset, byte) in whole.enumerated() {
            set(offset, byte ^ ([1, 0x20, 0x80] as [UInt8])[offset % 3])
            #expect(Self.problem(folder.path("model.qnf")) != nil, "byte \(offset)")
            set(offset, byte)
        }
        #expect(try folder.bytes("model.qnf") == whole)
    }

    @Test func refusesEveryTruncation() throws {
        let folder = try TemporaryFolder()
        let whole = try Self.makeModel(in: folder)
        for count in stride(from: whole.count - 1, through: 0, by: -1) {
            #expect(truncate(folder.path("model.qnf"), count) == 0)
            #expect(throws: FileError.self, "\(count) bytes") { try Checkpoint.open(folder.path("model.qnf")) }
        }
        try folder.write(whole + [0], to: "model.qnf")
        #expect(throws: FileError.self) { try Checkpoint.open(folder.path("model.qnf")) }
    }

    // MARK: - Files of other writers

    /// The same file with another header, whose own checksum is right.
    static func rewritten(_ file: [UInt8], _ change: (String) -> String) throws -> [UInt8] {
        let length = file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let text = change(String(decoding: file[8..<8 + length], as: UTF8.self))
        let key = "\"qnf.header_crc32c\":\""
        let parts = text.split(separator: key, maxSplits: 1, omittingEmptySubsequences: false)
        let blank = parts.count == 2 ? parts[0] + key + "00000000" + parts[1].dropFirst(8) : text[...]
        let count = (0..<8).map { UInt8(truncatingIfNeeded: blank.utf8.count >> (8 * $0)) }
        let checksum = CRC32C(of: count + Array(blank.utf8)).description
        let header = parts.count == 2 ? parts[0] + key + checksum + parts[1].dropFirst(8) : text[...]
        return count + Array(header.utf8) + file[(8 + length)...]
    }

    static func refusal(_ change: (String) -> String) throws -> String {
        let folder = try TemporaryFolder()
        let file = try makeModel(in: folder)
        let changed = try rewritten(file, change)
        #expect(changed != file)
        try folder.write(changed, to: "model.qnf")
        do throws(FileError) {
            return "opened as \(try Checkpoint.open(folder.path("model.qnf")).kind.title)"
        } catch {
            let text = error.hint.map { "\(error.description); hint: \($0)" } ?? error.description
            return text.replacing(folder.path("model.qnf") + ": ", with: "")
        }
    }

    private static func replacing(_ old: String, _ new: String) -> (String) -> String {
        { $0.replacing(old, with: new, maxReplacements: 1) }
    }

    struct Edit: Sendable, CustomTestStringConvertible {
        let old: String
        let new: String
        let refusal: String
        var testDescription: String { "\(old) -> \(new)" }

        /// - Parameter isDamage: with the hint that other programs may have changed the file.
        init(_ old: String, _ new: String, _ refusal: String, isDamage: Bool = true) {
            (self.old, self.new, self.refusal) = (old, new, isDamage ? "__metadata__: " + refusal + QNFFileTests.damageHint : refusal)
        }

        /// A companion file under another name.
        init(file name: String, shown: String? = nil) {
            let shown = shown ?? name
            self.init(
                "\"qnf.file/LICENSE\"", "\"qnf.file/\(name)\"",
                "tensor 'qnf.file/\(shown)': '\(shown)' is no name of a file in a folder; "
                    + "hint: do not use this model: extracting it would write elsewhere", isDamage: false)
        }
    }

    static let damageHint = "; hint: the file is damaged, or another program has changed it; fetch or convert it again"

    static let edits = [
        Edit(
            #""qnf.version":"1""#, #""qnf.version":"2""#,
            "__metadata__: 'qnf.version' is '2', but this program reads version 1; hint: a newer version of the tools may have written it",
            isDamage: false),
        Edit(
            #""qnf.version":"1""#, #""qnf.version":"1.0""#,
            "__metadata__: 'qnf.version' is '1.0', but this program reads version 1; hint: a newer version of the tools may have written it",
            isDamage: false),
        Edit(#""qnf.version":"1","#, "", "'qnf.version' is missing"),
        Edit(#""qnf.header_crc32c":""#, #""other":""#, "'qnf.header_crc32c' is missing"),
        Edit(
            #""qnf.header_crc32c":""#, #""qnf.header_crc32c": ""#,
            "'qnf.header_crc32c' does not stand in the header as writers spell it"),
        Edit(#""qnf.crc32c":""#, #""other":""#, "'qnf.crc32c' is missing"),
        Edit(#""qnf.crc32c":""#, #""qnf.crc32c":"0"#, "'qnf.crc32c' has 89 digits, but 11 tensors need 88"),
        Edit(#""qnf.fingerprint":""#, #""other":""#, "'qnf.fingerprint' is missing"),
        Edit(
            #""qnf.fingerprint":""#, #""qnf.fingerprint":"-"#,
            "'qnf.fingerprint' is '-sha256:9906e07b7b5d8fef9ab180b38c2e6480660cea051e970c258520b5c082ee71cd', "
                + "but 'sha256:' and 64 lower-case hexadecimal digits are expected"),
        Edit(#""qnf.settings":""#, #""other":""#, "'qnf.settings' is missing"),
        Edit(
            #""qnf.settings":"{"#, #""qnf.settings":"{{"#,
            "'qnf.settings' is no JSON: byte 1: a string is expected here, but there is an object"),
        Edit(#"\"transposed\":["#, #"\"other\":["#, "'qnf.settings' has no list of names 'transposed'"),
        Edit(#"\"transposed\":["#, #"\"transposed\":[3,"#, "'qnf.settings' has no list of names 'transposed'"),
        Edit(#""qnf.lineage":""#, #""other":""#, "'qnf.lineage' is missing"),
        Edit(#""qnf.lineage":""#, #""qnf.lineage":"x"#, "'qnf.lineage' is no JSON: byte 0: a value is expected here, but there is 'x'"),
        Edit(
            #""qnf.lineage":"["#, #""qnf.lineage":"{},["#,
            "'qnf.lineage' is no JSON: byte 2: the end of the text is expected here, but there is ','"),
        Edit(file: "../LICENSE"),
        Edit(file: ""),
        Edit(file: "."),
        Edit(file: ".."),
        Edit(file: "/etc/passwd"),
        Edit(file: "a\\u0000b", shown: "a\u{0}b"),
        Edit(file: "../\u{301}a"),
        Edit(file: "a/b"),
        Edit(file: "../x.jinja"),
        Edit(file: "additional_chat_templates"),
        Edit(file: "additional_chat_templates/"),
        Edit(file: "additional_chat_templates/x"),
        Edit(file: "additional_chat_templates/.jinja"),
        Edit(file: "additional_chat_templates/../x"),
        Edit(file: "additional_chat_templates/../x.jinja"),
        Edit(file: "additional_chat_templates/a/x.jinja"),
        Edit(file: "other/x.jinja"),
    ]

    @Test(arguments: edits) func refusesMetadataThatIsWrong(_ edit: Edit) throws {
        let refusal = try Self.refusal(Self.replacing(edit.old, edit.new))
        #expect(refusal == edit.refusal)
    }

    /// The checksum of the header is right in all of the above: the harness itself must not be what is refused.
    @Test func harmlessChangeIsAccepted() throws {
        for name in ["NOTICE", "additional_chat_templates/x.jinja"] {
            #expect(try Self.refusal(Self.replacing("\"qnf.file/LICENSE\"", "\"qnf.file/\(name)\"")) == "opened as qnf")
        }
        #expect(try Self.refusal { $0 + "        " } == "opened as qnf")
    }

    @Test func refusesAWrongHeaderChecksum() throws {
        let folder = try TemporaryFolder()
        let file = try Self.makeModel(in: folder)
        var changed = file
        let offset = try #require(String(decoding: file[..<2000], as: UTF8.self).utf8.firstRange(of: "ln_f".utf8)).lowerBound
        let position = String(decoding: file[..<2000], as: UTF8.self).utf8.distance(from: "".startIndex, to: offset)
        changed[position] ^= 1
        try folder.write(changed, to: "model.qnf")
        let text = Self.problem(folder.path("model.qnf")) ?? ""
        #expect(text.hasPrefix("\(folder.path("model.qnf")): header: its checksum is "))
        #expect(text.contains(", but 'qnf.header_crc32c' says "))
    }

    @Test func refusesAFingerprintThatDoesNotFollow() throws {
        let refusal = try Self.refusal { text in
            let key = "\"qnf.fingerprint\":\"sha256:"
            let parts = text.split(separator: key, maxSplits: 1)
            let digit = parts[1].first == "0" ? "1" : "0"
            return parts[0] + key + digit + parts[1].dropFirst()
        }
        #expect(refusal.hasPrefix("__metadata__: 'qnf.fingerprint' is sha256:"))
        #expect(refusal.contains(", but the checksums give sha256:"))
    }

    @Test func refusesAListThatIsNoChecksums() throws {
        let refusal = try Self.refusal { text in
            let parts = text.split(separator: "\"qnf.crc32c\":\"", maxSplits: 1)
            return parts[0] + "\"qnf.crc32c\":\"" + parts[1].prefix(8) + "0000000G" + parts[1].dropFirst(16)
        }
        #expect(refusal == "__metadata__: 'qnf.crc32c' is no list of checksums at digit 8" + Self.damageHint)
    }

    // MARK: - Damage by name

    @Test func namesTheDamagedTensor() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model.qnf")
        var file = try Self.makeModel(in: folder)
        let checkpoint = try Checkpoint.open(path)
        let last = try #require(checkpoint.source.tensors.last)
        #expect(last.name == "h.0.attn.c_attn.weight.quant_state.bitsandbytes__nf4")
        // The codes come first among what has no larger alignment; find them by their bytes.
        let codes = try #require(try weights(at: path)["h.0.attn.c_attn.weight"])
        let start = try #require(file.firstRange(of: codes.bytes)).lowerBound
        file[start] ^= 0x10
        try folder.write(file, to: "model.qnf")
        var changed = codes.bytes
        changed[0] ^= 0x10
        let report = try IntegrityCheck(try Checkpoint.open(path), resources: Resources(threadCount: 1)).run()
        #expect(
            report.problems == [
                .init(
                    tensor: codes.name,
                    message: "its checksum is \(CRC32C(of: changed)), but the file says \(CRC32C(of: codes.bytes))")
            ])
        // An export that goes through the tensor refuses too, and leaves nothing.
        let plan = try ExportPlan(try Checkpoint.open(path), form: .dense(nil))
        let before = try folder.names()
        let text = "\(path): tensor '\(codes.name)': its checksum is \(CRC32C(of: changed)), but the file says \(CRC32C(of: codes.bytes))"
        #expect {
            try Export(plan, resources: Resources(threadCount: 2)).run(file: folder.path("out.safetensors"), replaces: false)
        } throws: { "\($0)" == text }
        #expect(try folder.names() == before)
    }

    @Test(arguments: ["storage-bf16", "storage-f32"]) func codesUnderATypeOfNumbersAreNone(_ name: String) throws {
        let checkpoint = try Checkpoint.open(Fixture.checkpoint("variants/\(name)"))
        #expect(try IntegrityCheck(checkpoint, resources: Resources(threadCount: 2)).run().isSound)
    }

    @Test func valuesThatAreNotFiniteAreTold() throws {
        let folder = try TemporaryFolder()
        var tensors = try storedTensors(at: Fixture.checkpoint("llama/fp4-plain-bf16/model.safetensors"))
        let constants = "model.layers.0.mlp.up_proj.weight.absmax"
        tensors[constants]?.bytes.replaceSubrange(28..<32, with: [0, 0, 0xc0, 0x7f])
        tensors["model.norm.weight"]?.bytes.replaceSubrange(6..<8, with: [0x80, 0xff])
        try folder.write(tensors.values.sorted { $0.name < $1.name }.safetensors(), to: "m.safetensors")
        let report = try IntegrityCheck(
            try Checkpoint.open(folder.path("m.safetensors")), resources: Resources(threadCount: 2, chunkElementCount: 4)
        ).run()
        #expect(report.problems == [.init(tensor: constants, message: "element 7 is not a finite number")])
        #expect(report.flaws == [.init(tensor: "model.norm.weight", message: "element 3 is not a finite number")])
        #expect(report.checksumCount == 0)
    }
}
