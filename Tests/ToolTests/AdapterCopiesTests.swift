import ByteIO
import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qmerge
@testable import qrun

/// Copies of the base's weights that PEFT saves in an adapter: the base's own, or another's.
@Suite struct AdapterCopiesTests {
    private static let base = "\(Fixture.repository)/Tests/Fixtures/bound/tied"
    private static let adapter = "\(Fixture.repository)/Tests/Fixtures/bound/ensured-factors-tied"

    /// The adapter with the first number of its copy of the embedding replaced.
    private static func changed(to bytes: [UInt8]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            var content = try Fixture.bytes("\(adapter)/\(name)")
            if name.hasSuffix(".safetensors") {
                let length = content[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
                let header = try JSONValue(parsing: Array(content[8..<8 + length]))
                let entry = try #require(header["base_model.model.model.embed_tokens.base_layer.weight"])
                let start = 8 + length + (try #require(entry["data_offsets"]?.array?.first?.integer))
                content.replaceSubrange(start..<start + bytes.count, with: bytes)
            }
            let copy = try AtomicOutput(destination: folder.path(name), replaces: false)
            let file = try copy.file()
            try file.write(content, atOffset: 0)
            try copy.commit([file])
        }
        return folder
    }

    private static func runs(_ adapter: String) -> [ToolRunner] {
        [
            ToolRunner(qmerge, [base, adapter, "-o", "/nowhere/merged", "--dry-run"]),
            ToolRunner(qrun, [base, "--adapter", adapter, "--prompt-ids", "1,2", "--max-tokens", "1"]),
        ]
    }

    @Test func theBasesOwnIsNotMentioned() {
        for run in Self.runs(Self.adapter) { #expect(run.status == .done && !run.errors.contains("of its own"), "\(run.errors)") }
    }

    @Test func anotherOneIsSaid() throws {
        // 1.0 as float32
        let other = try Self.changed(to: [0, 0, 0x80, 0x3f])
        for run in Self.runs(other.path) {
            #expect(run.status == .done)
            #expect(
                run.errors.contains(
                    "holds a 'model.embed_tokens.weight' of its own, which differs from the base's and is not used; PEFT would use it"))
        }
    }
}
