import CommandLineKit
import Glibc
import Testing

/// Each test runs in a process of its own, which gets a pseudo-terminal for its output.
@Suite struct TerminalTests {
    /// Runs `qdemo layers` on a pseudo-terminal of 30 columns and ends with 0 if that printed what is expected.
    private static func expect(_ line: [String], environment: [String: String], printing expected: String) -> Never {
        for name in ["NO_COLOR", "TERM", "COLUMNS"] { unsetenv(name) }
        for (name, value) in environment { setenv(name, value, 1) }
        var (leader, follower) = (Int32(-1), Int32(-1))
        var size = winsize(ws_row: 10, ws_col: environment["COLUMNS"] == nil ? 30 : 0, ws_xpixel: 0, ws_ypixel: 0)
        openpty(&leader, &follower, nil, nil, &size)
        dup2(follower, 1)
        let status = DemoTool.tool.run(["qdemo", "layers"] + line)
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(leader, &buffer, buffer.count)
        // The terminal driver makes a carriage return and a line feed of every line feed.
        let printed = String(decoding: buffer.prefix(max(0, count)).filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        if printed != expected { print("printed:", printed.debugDescription) }
        exit(status == 0 && printed == expected ? 0 : 1)
    }

    private static let name = "a-very-long-name-of-a-model.safetensors"
    private static let cut = "a-very-lon…afetensors       39\n"

    @Test func fitsTheWindowInColour() async {
        await #expect(processExitsWith: .success) {
            let header = "\u{1B}[1mmodel\u{1B}[0m                  \u{1B}[1mletters\u{1B}[0m\n"
            Self.expect([Self.name], environment: ["TERM": "xterm"], printing: header + Self.cut)
        }
    }

    @Test func noColorMeansNoColour() async {
        await #expect(processExitsWith: .success) {
            let header = "model                  letters\n"
            Self.expect([Self.name], environment: ["TERM": "xterm", "NO_COLOR": "1"], printing: header + Self.cut)
        }
    }

    @Test func columnsStandInForAnUnknownWindow() async {
        await #expect(processExitsWith: .success) {
            let header = "model        letters\n"
            Self.expect([Self.name], environment: ["COLUMNS": "20"], printing: header + "a-ver…nsors       39\n")
        }
    }
}
