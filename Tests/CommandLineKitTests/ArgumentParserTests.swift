import Testing

@testable import CommandLineKit

@Suite struct ArgumentParserTests {
    /// Runs `qdemo quantize` and answers the lines that differ from those of the plainest command line.
    private func differences(_ words: [String]) -> [String] {
        let plain = DemoTool.run(["quantize", "in", "-o", "out"]).output.split(separator: "\n")
        let run = DemoTool.run(["quantize"] + words)
        #expect(run.status == .done)
        return run.output.split(separator: "\n").filter { !plain.contains($0) }.map(String.init)
    }

    @Test func appliesDefaults() {
        let run = DemoTool.run(["quantize", "in", "-o", "out"])
        #expect(
            run.output == """
                input in
                output out
                type nf4
                layout -
                block-size 64
                first -
                threshold 0.01
                bias -
                rules \("")
                max-memory -
                threads -
                force false
                dry-run false

                """)
        #expect(run.errors == "qdemo: note: nothing was written\n")
    }

    @Test(arguments: [
        (["in", "--output", "out"], []),
        (["--output=out", "in"], []),
        (["-o", "a=b", "in"], ["output a=b"]),
        (["in", "--output=a=b"], ["output a=b"]),
        (["-o", "-", "-"], ["input -", "output -"]),
        (["-o", "out", "--", "--type"], ["input --type"]),
        (["-o", "out", "--", "--"], ["input --"]),
        (["in", "-o", "out", "--"], []),
        (["in", "-o", "out", "--type", "fp4", "-f", "-n"], ["type fp4", "force true", "dry-run true"]),
        (["in", "-o", "out", "--first", "-2", "--bias", "-.5"], ["first -2", "bias -0.5"]),
        (["in", "-o", "out", "--bias=-1e3"], ["bias -1000.0"]),
        (["-7", "-o", "-8"], ["input -7", "output -8"]),
        (["in", "-o", "out", "--max-memory", "1.5GiB", "-t", "8"], ["max-memory 1610612736", "threads 8"]),
        (["in", "-o", "out", "--keep=", "--layout=sorted-by-name"], ["layout sorted-by-name", "rules keep="]),
        (["in", "-o", "out", "--keep=-x"], ["rules keep=-x"]),
    ])
    func accepts(words: [String], expected: [String]) {
        #expect(differences(words) == expected)
    }

    @Test func keepsTheOrderOfRulesAcrossOptions() {
        let words = ["--keep", "a", "--quantize", "b", "in", "--keep", "c", "-o", "out", "--quantize=a"]
        #expect(differences(words) == ["rules keep=a quantize=b keep=c quantize=a"])
    }

    @Test(arguments: [
        (["x", "z"], "x + [] -> z\n"),
        (["x", "y", "z"], "x + [\"y\"] -> z\n"),
        (["v", "w", "x", "y", "z"], "v + [\"w\", \"x\", \"y\"] -> z\n"),
    ])
    func dealsWordsOutFromTheLeft(words: [String], expected: String) {
        #expect(DemoTool.run(["merge"] + words).output == expected)
    }

    @Test(
        arguments: [
            (["quantize", "in", "--blok-size", "64"], "unknown option '--blok-size'", "did you mean '--block-size'?"),
            (["quantize", "in", "--block_size=64"], "unknown option '--block_size'", "did you mean '--block-size'?"),
            (["quantize", "in", "--thr"], "unknown option '--thr'", "did you mean '--threshold'?"),
            (["quantize", "in", "-output", "x"], "unknown option '-output'", "did you mean '--output'?"),
            (["quantize", "in", "-oout"], "unknown option '-oout'", "one letter each, apart from its value: '-o out'"),
            (["quantize", "in", "-o=out"], "unknown option '-o=out'", "one letter each, apart from its value: '-o out'"),
            (["quantize", "in", "-fn"], "unknown option '-fn'", "one letter each, apart from its value: '-f -n'"),
            (["quantize", "in", "-x"], "unknown option '-x'", "see 'qdemo quantize --help'"),
            (["quantize", "in", "--frobnicate"], "unknown option '--frobnicate'", "see 'qdemo quantize --help'"),
            (
                ["quantize", "in", "-o", "--force"], "-o needs a value OUTPUT, but '--force' follows",
                "a value that starts with a dash is written '--output=--force'"
            ),
            (["quantize", "in", "-o"], "-o needs a value OUTPUT", "see 'qdemo quantize --help'"),
            (["quantize", "in", "--output", "--", "x"], "--output needs a value OUTPUT", "see 'qdemo quantize --help'"),
            (["quantize", "in", "--output="], "--output is empty", "is a shell variable unset?"),
            (["quantize", "", "-o", "out"], "argument INPUT is empty", "is a shell variable unset?"),
            (["quantize", "in", "--force=yes"], "--force takes no value, not 'yes'", "see 'qdemo quantize --help'"),
            (
                ["quantize", "in", "-o", "a", "--output", "b"], "--output is given twice, but can be given only once",
                "see 'qdemo quantize --help'"
            ),
            (["quantize", "in", "-f", "-f"], "-f is given twice, but can be given only once", "see 'qdemo quantize --help'"),
            (["quantize", "in"], "missing option -o OUTPUT", "usage: qdemo quantize INPUT -o OUTPUT [options]"),
            (["quantize", "-o", "out"], "missing argument INPUT", "usage: qdemo quantize INPUT -o OUTPUT [options]"),
            (["quantize", "a", "b", "-o", "out"], "unexpected argument 'b'", "usage: qdemo quantize INPUT -o OUTPUT [options]"),
            (["layers"], "missing argument INPUT", "usage: qdemo layers INPUT... [options]"),
            (["merge", "x"], "missing argument OUTPUT", "usage: qdemo merge BASE [ADAPTER...] OUTPUT [options]"),
            (["quantize", "in", "--type", "nf5"], "--type must be one of nf4, fp4, not 'nf5'", "did you mean 'nf4'?"),
            (
                ["quantize", "in", "--max-memory", "lots"], "--max-memory needs an amount of bytes, not 'lots'",
                "bytes, or as 512M, 1.5GiB, 2GB"
            ),
        ] as [([String], String, String?)])
    func refuses(line: [String], message: String, hint: String?) {
        let hintLine = hint.map { "hint: \($0)\n" } ?? ""
        #expect(DemoTool.run(line) == .init(status: .usage, output: "", errors: "qdemo: error: \(message)\n" + hintLine))
    }

    @Test(arguments: [
        ("--block-size=65.5", "--block-size needs a whole number, not '65.5'"),
        ("--block-size=", "--block-size needs a whole number, not ''"),
        ("--block-size=-", "--block-size needs a whole number, not '-'"),
        ("--block-size=8", "--block-size must be 16 to 4096, not 8"),
        ("--block-size=99999999999999999999", "--block-size must be 16 to 4096, not 99999999999999999999"),
        ("--first=-99999999999999999999", "--first must fit 64 bits, not -99999999999999999999"),
        ("--threshold=1.5", "--threshold must be 0 to 1, not 1.5"),
        ("--threshold=nan", "--threshold needs a number, not 'nan'"),
        ("--threshold=inf", "--threshold needs a number, not 'inf'"),
        ("--threshold=0x1p3", "--threshold needs a number, not '0x1p3'"),
        ("--threshold=1e999", "--threshold needs a number, not '1e999'"),
    ])
    func refusesValuesOutsideTheirKind(word: String, message: String) {
        let errors = DemoTool.run(["quantize", "in", "-o", "out", word]).errors
        #expect(errors == "qdemo: error: \(message)\n")
    }

    /// U+FFFD is a character like any other; where it stands for bytes that were none, the process knows.
    @Test func refusesOnlyWhatWasNotUTF8() {
        let line = ["layers", "a\u{FFFD}b"]
        #expect(DemoTool.run(line).status == .done)
        let run = DemoTool.run(line, malformedArgument: 2)
        #expect(run == .init(status: .usage, output: "", errors: "qdemo: error: argument 2 is not valid UTF-8: 'a\u{FFFD}b'\n"))
    }

    /// To Swift, such a character and the sign before it are one.
    @Test(arguments: ["\u{301}", "\u{301}a=b", "\u{200d}", "=\u{20dd}"])
    func valuesMayBeginWithACombiningCharacter(_ value: String) throws {
        var parser = ArgumentParser(tool: DemoTool.tool, command: try #require(DemoTool.tool.commands.first { $0.name == "layers" }))
        #expect(try parser.parse(["a", "--match=" + value]).string("match")?.utf8.elementsEqual(value.utf8) == true)
    }

    @Test func optionsOfOtherCommandsAreUnknown() {
        #expect(DemoTool.run(["merge", "x", "y", "--keep", "z"]).status == .usage)
    }
}
