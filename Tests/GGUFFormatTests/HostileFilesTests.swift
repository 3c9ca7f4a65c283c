import ByteIO
import GGUFFormat
import TensorCore
import TestSupport
import Testing

/// Broken files, each with llama.cpp's verdict and ours: a line of `Tests/Fixtures/gguf/hostile.tsv` each.
@Suite struct HostileFilesTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        /// Whether llama.cpp reads the header, and whether it reads the data as well.
        let reference: (header: Bool, data: Bool)
        /// `opens`, or what we say.
        let answer: String

        var testDescription: String { name }

        init(_ fields: [String]) throws {
            try #require(fields.count == 4)
            name = fields[0]
            reference = (fields[1] == "ok", fields[2] == "ok")
            answer = fields[3]
        }
    }

    static let cases = (try? Fixture.table("gguf/hostile.tsv").map(Case.init)) ?? []

    /// Read here, as nothing is lost: data whose last padding is missing, which llama.cpp reads only in some ways; arrays of arrays.
    static let laxer: Set<String> = ["cut-0482", "cut-0511", "data-unpadded-end", "kv-array-of-array"]
    /// Refused here: texts that are none, names that are no names, counts that cannot be, types that nobody can decode.
    static let stricter: Set<String> = [
        "kv-string-not-utf8", "n_tensors-1-of-2", "tensor-name-empty", "tensor-name-not-utf8", "tensor-name-nul", "type-q8_1", "type-q8_K",
        "zeros-big",
    ]

    @Test(arguments: cases) func answersAsRecorded(_ hostile: Case) throws {
        #expect(try Self.answer(to: Fixture.bytes(Fixture.path("gguf/hostile/\(hostile.name).gguf"))) == hostile.answer)
        let isRead = hostile.reference.data && !Self.stricter.contains(hostile.name) || Self.laxer.contains(hostile.name)
        #expect((hostile.answer == "opens") == isRead)
    }

    @Test func everyFileHasItsLine() throws {
        let names = try FilePath.entries(of: Fixture.path("gguf/hostile")).map { String($0.dropLast(5)) }
        #expect(Set(names) == Set(Self.cases.map(\.name)) && names.count == Self.cases.count && names.count > 90)
        #expect(Self.laxer.union(Self.stricter).isSubset(of: names))
    }

    /// What opening a file of these bytes gives, the hint after a semicolon.
    static func answer(to bytes: [UInt8]) throws -> String {
        let folder = try TemporaryFolder()
        do throws(FileError) {
            let source = try GGUFSource(path: folder.file(bytes))
            for index in source.tensors.indices { _ = try source.bytes(ofTensor: index) }
            for entry in source.metadata.entries { _ = try entry.value.array?.values() }
            return "opens"
        } catch {
            let text = error.description.dropFirst(folder.path("m: ").utf8.count) + (error.hint.map { "; hint: \($0)" } ?? "")
            return text.split(separator: "\0", omittingEmptySubsequences: false).joined(separator: "\\u{0}")
        }
    }
}

extension TemporaryFolder {
    /// The path of a new file; writing one does not fail.
    func file(_ bytes: [UInt8]) -> String { (try? write(bytes, to: "m")) ?? "" }
}
