import CommandLineKit

/// A small tool with two commands and characters that mean something to shells and to roff.
enum PairTool {
    static let tool = Tool(
        "qpair", summary: "do two things", version: "1.2.3",
        commands: [
            Command(
                "make", summary: "make it's [best]: 'this' \\ that",
                discussion: """
                    .dot at the start, then
                    more of it.

                      a  'table'
                    """,
                arguments: [Argument("input", .oneOrMore, help: "files")],
                options: [
                    .output, .choice("type", ["nf4", "fp4"], default: "nf4", help: "codebook"),
                    .text("keep", "REGEX", help: "leave [a]: 'b' \\ as is").repeatable(),
                ],
                example: "qpair make a.b \\\n  -o 'c'"
            ) { _, _ in .done },
            Command(
                "count", summary: "count", arguments: [Argument("number", .optional, isPath: false, help: "limit")],
                example: "qpair count 3"
            ) { _, _ in .done },
        ])
}
