import TestSupport
import Testing

/// The messages that `formats/gguf.md` quotes are those that the tests of this target hold.
@Suite struct DocumentedMessagesTests {
    @Test func quotedMessagesAreReal() throws {
        let section = try Fixture.document("gguf.md").split(separator: "## What is refused\n").last?.split(separator: "\n## ").first
        let quoted = try #require(section).split(separator: "\n").compactMap { line -> String? in
            guard line.hasPrefix("| "), let message = line.split(separator: "`").dropFirst().first else { return nil }
            return String(message)
        }
        #expect(quoted.count == 34)
        let answers = HostileFilesTests.cases.map(\.answer) + RulesTests.refusals.map(\.message)
        let real = Set(answers.compactMap { $0.split(separator: "; hint: ").first.map(String.init) })
        for message in quoted { #expect(real.contains(message), "\(message)") }
    }
}
