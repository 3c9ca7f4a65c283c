import ByteIO
import TestSupport
import Testing

/// Links of the documents lead somewhere.
@Suite struct LinkTests {
    private static func documents() throws -> [String] {
        let root = Fixture.repository
        let formats = try FilePath.entries(of: "\(root)/formats").map { "formats/\($0)" }
        return ["README.md", "CHANGELOG.md", "Sources/README.md", "samples/README.md", "samples/hostile/README.md"] + formats
    }

    /// Targets of `[text](target)`, none of them on the web.
    private static func targets(of text: String) -> [String] {
        text.matches(of: /\]\(([^)\s]+)\)/).map { String($0.output.1) }.filter { !$0.hasPrefix("http") }
    }

    /// What a heading is called in links: lower case, spaces become hyphens, and other punctuation goes.
    private static func anchors(of text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
                let kept = line.drop { $0 == "#" }.dropFirst().lowercased().filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }
                return kept.replacing(" ", with: "-")
            })
    }

    @Test func filesAndHeadingsExist() throws {
        let root = Fixture.repository
        var count = 0
        for document in try Self.documents() {
            let folder = document.split(separator: "/").dropLast().map { "\($0)/" }.joined()
            for target in Self.targets(of: try Fixture.text(at: "\(root)/\(document)")) {
                let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
                let path = parts[0].isEmpty ? "\(root)/\(document)" : "\(root)/\(folder)\(parts[0])"
                count += 1
                #expect(FilePath.kind(of: path) != .missing, "\(document): \(target)")
                if parts.count == 2 {
                    #expect(Self.anchors(of: try Fixture.text(at: path)).contains(String(parts[1])), "\(document): \(target)")
                }
            }
        }
        #expect(count > 60)
    }
}
