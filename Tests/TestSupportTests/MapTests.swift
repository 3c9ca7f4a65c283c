import ByteIO
import TestSupport
import Testing

/// `Sources/README.md` shows what there is.
@Suite struct MapTests {
    private static func map() throws -> String { try Fixture.text(at: "\(Fixture.repository)/Sources/README.md") }

    /// What stands in backquotes.
    private static func quoted(_ text: some StringProtocol) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    @Test func namesOnlyPathsThatExist() throws {
        let paths = Self.quoted(try Self.map()).filter { $0.contains("/") && !$0.contains("ROOM") }
        #expect(paths.count > 20)
        for path in paths { #expect(FilePath.kind(of: "\(Fixture.repository)/\(path)") != .missing, "\(path)") }
    }

    @Test func listsEveryRoomInItsLayer() throws {
        var listed: [String: [String]] = [:]
        var layer = ""
        for line in try Self.map().split(separator: "\n") where line.hasPrefix("| ") && !line.hasPrefix("| layer") {
            let cells = line.split(separator: "|").map { $0.trimmingPrefix(" ") }
            if let name = cells.first?.split(separator: " ").first { layer = String(name) }
            listed[layer, default: []] += Self.quoted(cells[1])
        }
        let sources = "\(Fixture.repository)/Sources"
        var found: [String: [String]] = [:]
        for layer in try FilePath.entries(of: sources) where FilePath.kind(of: "\(sources)/\(layer)") == .folder {
            found[layer] = try FilePath.entries(of: "\(sources)/\(layer)")
        }
        #expect(listed.mapValues { $0.sorted() } == found)
    }
}
