import CommandLineKit
import TestSupport
import Testing

@Suite struct TableTests {
    private let plain = Style(isEnabled: false)

    private var table: Table {
        var table = Table([
            .init("tensor", canShrink: true), .init("dtype"), .init("bytes", .right), .init("max error", .decimal),
        ])
        table.addGroup(["h.0 and everything that belongs to the first layer"])
        table.addRow(["attn.c_attn.weight", "nf4", "884,736", "0.0123"])
        table.addRow(["日本語.weight", "", "96", "12.5"])
        table.addGroup(["h.1", "", "1"])
        table.addRow(["a\u{1B}[2J", "f32", "7", "nan"])
        table.addRow(["short row"])
        table.addTotal(["4 tensors", "", "884,839"])
        return table
    }

    @Test func alignsByDisplayWidthAndDecimalPoint() {
        #expect(
            table.text(width: nil, style: plain) == """
                tensor                dtype    bytes  max error
                h.0 and everything that belongs to the first layer
                  attn.c_attn.weight  nf4    884,736     0.0123
                  日本語.weight                   96    12.5
                h.1                                1
                  a\\u{1b}[2J          f32          7   nan
                  short row
                --------------------         -------
                4 tensors                    884,839

                """)
    }

    @Test func cutsNamesToTheTerminal() {
        #expect(
            table.text(width: 40, style: plain) == """
                tensor         dtype    bytes  max error
                h.0 and everything t… to the first layer
                  attn…weight  nf4    884,736     0.0123
                  日本…weight              96    12.5
                h.1                         1
                  a\\u{1b}[2J   f32          7   nan
                  short row
                -------------         -------
                4 tensors             884,839

                """)
    }

    @Test func keepsEightColumnsOfANameHoweverNarrowTheTerminal() {
        let lines = table.text(width: 1, style: plain).split(separator: "\n")
        #expect(lines[0] == "tensor    dtype    bytes  max error")
        #expect(lines[2] == "  at…ght  nf4    884,736     0.0123")
    }

    @Test func emphasisDoesNotDisturbAlignment() {
        var table = Table([.init("a", .right), .init("b")])
        table.addRow([.init("1", .red), "x"])
        table.addRow(["22", .init("y", .green)])
        #expect(
            table.text(width: nil, style: Style(isEnabled: true)) == """
                 \u{1B}[1ma\u{1B}[0m  \u{1B}[1mb\u{1B}[0m
                 \u{1B}[31m1\u{1B}[0m  x
                22  \u{1B}[32my\u{1B}[0m

                """)
    }

    @Test func titlesMayBeLeftOut() {
        var table = Table([.init(""), .init("", .right)])
        table.addRow(["tensors", "12"])
        table.addRow(["bytes", "1,234"])
        #expect(table.text(width: nil, style: plain) == "tensors     12\nbytes    1,234\n")
    }

    @Test func longDecimalsMakeTheColumnWider() {
        var table = Table([.init("error", .decimal), .init("x")])
        for error in ["1", "22.5", "0.125", "-3.0625"] { table.addRow([.init(error), "|"]) }
        #expect(
            table.text(width: nil, style: plain) == """
                  error  x
                 1       |
                22.5     |
                 0.125   |
                -3.0625  |

                """)
    }

    @Test func consoleCutsOnlyOnATerminal() throws {
        let output = RecordingSink()
        try Console(toolName: "q", output: output, errors: RecordingSink()).write(table)
        #expect(output.text.isEmpty)
        for isTerminal in [false, true] {
            let output = RecordingSink()
            let terminal = Terminal(isTerminal: isTerminal, width: { 40 })
            let console = Console(toolName: "q", output: output, errors: RecordingSink(), outputTerminal: terminal)
            try console.write(table)
            try console.flush()
            #expect(output.text == table.text(width: isTerminal ? 40 : nil, style: plain))
        }
    }
}
