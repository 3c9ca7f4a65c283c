import TestSupport
import Testing

/// The messages that `formats/safetensors.md` quotes are those that the tests of this target hold.
@Suite struct DocumentedMessagesTests {
    @Test func quotedMessagesAreReal() throws {
        let section = try Fixture.document("safetensors.md").split(separator: "## What is refused\n").last?
            .split(separator: "\n## ").first
        let quoted = try #require(section).split(separator: "\n").compactMap { line -> String? in
            let cells = line.split(separator: "|")
            guard cells.count == 3 || cells.count == 2, let message = cells.last?.split(separator: "`").dropFirst().first else {
                return nil
            }
            return "m: \(message)"
        }
        #expect(quoted.count == 30)
        let headers = SafetensorsHeaderTests.self
        let messages =
            (headers.structure + headers.repetitions + headers.members + headers.offsets).map(\.message)
            + SafetensorsFileTests.refusals.map(\.message)
        let real = Set(messages.compactMap { $0.split(separator: "\nhint: ").first.map(String.init) })
        for message in quoted { #expect(real.contains(message), "\(message)") }
    }
}
