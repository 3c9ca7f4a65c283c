import ByteIO
import CommandLineKit
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect

/// An entry of `samples/hostile/expected.tsv`: a path, and how `qinspect check` answers it.
struct HostileEntry: CustomTestStringConvertible, Sendable {
    /// Below `samples/hostile/`.
    let path: String
    let status: Int32
    /// As printed where the repository begins: the error, or the first line of the result.
    let line: String
    let hint: String

    var testDescription: String { path }

    var fullPath: String { Fixture.sample("hostile/\(path)") }

    /// The error with its hint, as `tool` prints it.
    func text(of tool: String) -> String {
        tool + line.dropFirst("qinspect".count) + (hint.isEmpty ? "" : "\nhint: \(hint)") + "\n"
    }

    init(_ row: Substring) throws {
        let fields = row.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 4, let status = Int32(fields[1]) else {
            throw FileError("expected.tsv", "has a line of another form: \(row)")
        }
        (path, self.status, line, hint) = (fields[0], status, fields[2], fields[3])
    }

    static func all() throws -> [HostileEntry] {
        let file = try InputFile(path: Fixture.sample("hostile/expected.tsv"))
        return try String(decoding: try file.allBytes(limit: 1 << 20), as: UTF8.self).split(separator: "\n").map(HostileEntry.init)
    }
}

/// Every trick that a model file can play ends in one error, and in nothing else.
@Suite struct HostileGalleryTests {
    static let entries = (try? HostileEntry.all()) ?? []

    @Test("check answers as recorded", arguments: entries)
    func answersAsRecorded(entry: HostileEntry) {
        let run = ToolRunner(qinspect, ["check", entry.fullPath, "--quiet"])
        #expect(run.status.rawValue == entry.status)
        if entry.status == 2 {
            #expect(isShown(entry.text(of: "qinspect"), in: Self.withoutNames(run.errors)))
            #expect(run.output.isEmpty)
        } else {
            #expect(run.output.withoutRoot.hasPrefix(entry.line + "\n") && entry.hint.isEmpty)
            #expect(Self.withoutNames(run.errors).isEmpty)
        }
        #expect(run.output.isPrintable && run.errors.isPrintable)
    }

    /// What was said without the words that a GGUF file of no known family keeps its names, as those of the gallery do, and that a model in
    /// its maker's own files has no tokenizer beside it, or leaves its length open.
    private static func withoutNames(_ errors: String) -> String {
        let expected = [
            ".gguf: tensors keep the names that the file has, ", ": no tokenizer lies beside it: ",
            ": params.json does not say how long a text may be: ",
        ]
        return errors.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            !expected.contains { line.contains($0) }
        }.joined(separator: "\n")
    }

    /// Damage in the data of a sound structure is not looked for by `layers`, which reads no data.
    @Test("layers answers likewise", arguments: entries)
    func layersAnswersLikewise(entry: HostileEntry) {
        let run = ToolRunner(qinspect, ["layers", entry.fullPath, "--quiet"])
        #expect(run.status == (entry.status == 2 ? .failed : .done))
        #expect(isShown(entry.status == 2 ? entry.text(of: "qinspect") : "", in: Self.withoutNames(run.errors)))
        #expect(run.output.isEmpty == (entry.status == 2))
        #expect(run.output.isPrintable && run.errors.isPrintable)
    }

    @Test("to-nf4 refuses it and writes nothing", arguments: entries)
    func conversionRefusesIt(entry: HostileEntry) throws {
        let folder = try TemporaryFolder()
        let run = ToolRunner(qconvert, ["to-nf4", entry.fullPath, "-o", folder.path("a.qnf"), "--quiet"])
        guard entry.status != 0 else {
            #expect(try run.status == .done && Self.withoutNames(run.errors).isEmpty && folder.names() == ["a.qnf"])
            #expect(ToolRunner(qinspect, ["check", folder.path("a.qnf")]).status == .done)
            return
        }
        #expect(try run.status == .failed && run.output.isEmpty && folder.names().isEmpty)
        if entry.status == 2 {
            #expect(isShown(entry.text(of: "qconvert"), in: Self.withoutNames(run.errors)))
        } else {
            // The same place and numbers; what follows is advice for somebody who converts.
            let errors = Self.withoutNames(run.errors)
            #expect(errors.withoutRoot.hasPrefix("qconvert: error: \(entry.line)\nhint: "))
            #expect(errors.split(separator: "\n").count == 2)
        }
        #expect(run.errors.isPrintable)
    }

    @Test func listsEveryFile() throws {
        let root = Fixture.sample("hostile")
        let readme = String(decoding: try InputFile(path: "\(root)/README.md").allBytes(limit: 1 << 20), as: UTF8.self)
        var listed: Set<String> = []
        for folder in try FilePath.entries(of: root) where FilePath.kind(of: "\(root)/\(folder)") == .folder && folder != "__pycache__" {
            listed.formUnion(try FilePath.entries(of: "\(root)/\(folder)").map { "\(folder)/\($0)" })
        }
        #expect(listed.count > 150)
        #expect(Set(Self.entries.map { $0.path.split(separator: "/").prefix(2).joined(separator: "/") }) == listed)
        for entry in Self.entries {
            #expect(readme.contains("| `\(entry.path.split(separator: "/").dropFirst().joined(separator: "/"))` |"))
        }
    }

    @Test func onlyTheLegalOnesAreSound() {
        #expect(Self.entries.filter { ($0.status == 0) != $0.path.hasPrefix("legal/") }.map(\.path) == [])
        #expect(Self.entries.allSatisfy { (0...2).contains($0.status) && $0.line.hasPrefix("qinspect: error: ") == ($0.status == 2) })
    }

    /// Whether an error is this one. Long messages are cut in the middle, further left where the repository's path is longer.
    private func isShown(_ expected: String, in errors: String) -> Bool {
        let errors = errors.withoutRoot
        guard expected.contains("…") else { return errors == expected }
        return errors.hasPrefix(expected.prefix(200)) && errors.hasSuffix(expected.suffix(200)) && errors.count < 1500
    }
}

extension String {
    /// As printed where the repository begins.
    fileprivate var withoutRoot: String {
        split(separator: "\(Fixture.repository)/", omittingEmptySubsequences: false).joined()
    }

    /// Nothing in it moves a cursor or turns the reading order around.
    fileprivate var isPrintable: Bool {
        unicodeScalars.allSatisfy { scalar in
            scalar == "\n" || scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value) && !(0x202a...0x202e).contains(scalar.value)
        }
    }
}
