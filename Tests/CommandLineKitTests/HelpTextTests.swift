import CommandLineKit
import Testing

@Suite struct HelpTextTests {
    @Test func helpOfTheTool() {
        #expect(
            DemoTool.run(["--help"]).output == """
                usage: qdemo COMMAND [ARGUMENT...] [options]

                Show what a command line means.

                commands:
                  quantize  quantize a model to 4 bits
                  layers    list the tensors of models
                  merge     merge adapters
                  fail      fail in the way that is asked for

                options:
                  -h, --help     print this help and exit; after a command, that command's
                      --version  print the version and exit

                exit status:
                  0   done
                  1   the answer is no
                  2   failed
                  64  the command line is wrong

                example:
                  qdemo quantize gpt2 -o gpt2.qnf --keep 'wpe|wte'

                """)
    }

    @Test func helpOfACommandWithEveryKindOfOption() {
        #expect(
            DemoTool.run(["quantize", "--help"]).output == """
                usage: qdemo quantize INPUT -o OUTPUT [options]

                Quantize a model to 4 bits.

                Rules are tried in command line order and the first one that matches decides. A
                tensor that no rule names is quantized when it is a matrix.

                  type   bits   used by
                  nf4    4.13   QLoRA
                  fp4    4.13   comparisons

                arguments:
                  INPUT  model file or folder

                options:
                  -o, --output OUTPUT    where the result goes (required)
                      --type nf4|fp4     codebook of the result (default: nf4)
                      --layout LAYOUT    order of the tensors (as-in-source, sorted-by-name,
                                         sorted-by-size; default: chosen by size)
                  -b, --block-size N     elements that share one absmax (16 to 4096 elements;
                                         default: 64)
                      --first LAYER      first layer, counted from the end when negative
                      --threshold X      largest relative error (0 to 1; default: 0.01)
                      --bias X           added to every element (in standard deviations)
                      --keep REGEX       leave tensors whose name matches as they are
                                         (repeatable)
                      --quantize REGEX   quantize tensors whose name matches (repeatable)
                      --a-very-long-option-name PLACEHOLDER
                                         stands on a line of its own (default: none)
                      --max-memory SIZE  resident memory to stay under (bytes, or as 512M,
                                         1.5GiB, 2GB; default: what the work needs)
                  -t, --threads N        worker threads; the result is the same (1 to 1024;
                                         default: one per processor)
                  -f, --force            replace outputs that exist
                  -n, --dry-run          say what would be done, with sizes, and write nothing
                  -h, --help             print this help and exit
                      --version          print the version and exit
                  -q, --quiet            print no notes and no progress
                      --color WHEN       when to colour the output (auto, always, never;
                                         default: auto)

                example:
                  qdemo quantize gpt2 -o gpt2.qnf --keep 'wpe|wte'

                """)
    }

    @Test func helpOfAToolWithoutCommands() {
        #expect(
            DemoTool.run(["--help"], tool: DemoTool.single).output == """
                usage: qmerge BASE ADAPTER -o OUTPUT [options]

                Merge an adapter into a model.

                arguments:
                  BASE     model
                  ADAPTER  adapter

                options:
                  -o, --output OUTPUT  where the result goes (required)
                      --unmerge        take the adapter out again
                  -h, --help           print this help and exit
                      --version        print the version and exit
                  -q, --quiet          print no notes and no progress
                      --color WHEN     when to colour the output (auto, always, never;
                                       default: auto)

                exit status:
                  0   done
                  1   the answer is no
                  2   failed
                  64  the command line is wrong

                example:
                  qmerge gpt2 alpaca.lora -o merged.qnf

                """)
    }

    @Test func noLineIsWiderThan80Columns() {
        let texts = [["--help"]] + DemoTool.tool.commands.map { ["help", $0.name ?? ""] }
        for line in texts.flatMap({ DemoTool.run($0).output.split(separator: "\n") }) { #expect(line.count <= 80) }
    }

    @Test func longUsageBreaksBetweenItsParts() {
        let command = Command(
            summary: "take much",
            arguments: (1...7).map { Argument("argument-number-\($0)", help: "a word") }, options: [.output], example: "qlong ..."
        ) { _, _ in .done }
        let help = DemoTool.run(["-h"], tool: Tool("qlong", version: "1", command: command)).output
        #expect(
            help.hasPrefix(
                """
                usage: qlong ARGUMENT-NUMBER-1 ARGUMENT-NUMBER-2 ARGUMENT-NUMBER-3
                       ARGUMENT-NUMBER-4 ARGUMENT-NUMBER-5 ARGUMENT-NUMBER-6 ARGUMENT-NUMBER-7
                       [-o OUTPUT] [options]

                Take much.

                """))
    }
}
