import CommandLineKit
import Glibc
import TestSupport
import Testing

/// Help is the interface's specification: changing it is a decision, so every word of it stands in a file.
@Suite struct HelpTests {
    static let invocations = ToolRunner.tools.flatMap { tool in
        [(tool.name, [String]())] + tool.commands.compactMap(\.name).map { (tool.name, [$0]) }
    }

    @Test("prints help as it stands in Tests/Fixtures/help", arguments: invocations)
    func printsHelpVerbatim(name: String, command: [String]) throws {
        let tool = try #require(ToolRunner.tools.first { $0.name == name })
        let run = ToolRunner(tool, command + ["--help"])
        let file = "\(([name] + command).joined(separator: "-")).txt"
        let expected = try Fixture.text(at: Fixture.path("help/\(file)"))
        #expect(run.output == expected, "Tests/Fixtures/help/\(file)")
        #expect(run.status == .done && run.errors.isEmpty)
    }

    @Test("fits 80 columns", arguments: invocations)
    func fitsEightyColumns(name: String, command: [String]) throws {
        let tool = try #require(ToolRunner.tools.first { $0.name == name })
        let run = ToolRunner(tool, command + ["--help"])
        #expect(run.output.split(separator: "\n").filter { $0.count > 80 } == [])
    }

    @Test("answers no arguments with short help and status 64", arguments: ToolRunner.tools.map(\.name))
    func greets(name: String) throws {
        let tool = try #require(ToolRunner.tools.first { $0.name == name })
        let run = ToolRunner(tool, [])
        #expect(run.status == .usage && run.output.isEmpty && run.errors.hasPrefix("usage: \(name) "))
    }
}
