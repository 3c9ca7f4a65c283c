import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qmerge
@testable import qrun
@testable import qtrain
@testable import qverify

/// Runs a tool inside the test, on streams that are kept.
struct ToolRunner {
    let status: ExitCode
    let output: String
    let errors: String

    /// - Parameter line: words after the tool's name.
    init(_ tool: Tool, _ line: [String]) {
        let output = RecordingSink(), errors = RecordingSink()
        let console = Console(toolName: tool.name, output: output, errors: errors)
        status = tool.run(line, console)
        self.output = output.text
        self.errors = errors.text
    }

    /// The one JSON document on standard output.
    func document() throws -> JSONValue { try JSONValue(parsing: Array(output.utf8)) }

    static let tools = [qconvert, qinspect, qmerge, qrun, qtrain, qverify]
}
