import Foundation
import Testing

@testable import CommandLineKit

@Suite struct SettingNamesTests {
    @Test(arguments: [
        ("`replaces` replaces it", "--force replaces it"),
        ("a lower `peak`, or `clip` 1", "a lower --lr, or --clip 1"),
        ("`Merge``noUndo`", "'qmerge'--no-undo"),
        ("`peak", "`peak"), ("peak`", "peak`"), ("`", "`"), ("`other` and `peak`", "`other` and --lr"), ("a`b`peak`", "a`b--lr"),
    ])
    func spellsWhatItKnows(_ text: String, _ expected: String) { #expect(text.spelledAsOptions == expected) }

    /// Everything outside of Tools and Development, but for comments.
    private static func libraryLines() throws -> [(file: String, line: Substring)] {
        let sources = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/Sources"
        let files = try #require(FileManager.default.enumerator(atPath: sources)).compactMap { $0 as? String }
        return try files.filter { $0.hasSuffix(".swift") && !$0.hasPrefix("Tools/") && !$0.hasPrefix("Development/") }.flatMap { file in
            try String(contentsOfFile: "\(sources)/\(file)", encoding: .utf8).split(separator: "\n").filter {
                !($0.drop { $0 == " " }.hasPrefix("//"))
            }.map { (file, $0) }
        }
    }

    @Test func librariesNameNoOption() throws {
        let lines = try Self.libraryLines()
        #expect(lines.count > 10000)
        // What a merge records of its options is read back by the library.
        for (file, line) in lines where !line.contains("hasPrefix(\"--to\")") {
            #expect(!line.contains(/["' (]--[a-z]/), "\(file): \(line)")
            #expect(!line.contains(/"[^"]*q(convert|inspect|verify|merge|train|run) (to-|[a-z]+ (shows|says|writes))/), "\(file): \(line)")
        }
    }

    @Test func everythingInBackQuotesIsSpelled() throws {
        for (file, line) in try Self.libraryLines() where line.contains("\"") {
            for match in line.matches(of: /`([A-Za-z][^`]*)`/) where line[..<match.range.lowerBound].contains("\"") {
                #expect(String.optionSpellings[String(match.1)] != nil, "\(file): \(match.0)")
            }
        }
    }
}
