import CommandLineKit
import Testing

@Suite struct ManualPageTests {
    @Test func manualOfAToolWithCommands() {
        #expect(
            DemoTool.run(["--generate-manual"], tool: PairTool.tool).output == #"""
                .TH "QPAIR" 1 "" "qpair 1.2.3"
                .SH NAME
                qpair \- do two things
                .SH SYNOPSIS
                .B qpair make
                INPUT... [\-o OUTPUT] [options]
                .br
                .B qpair count
                [NUMBER] [options]
                .SH COMMANDS
                .SS "qpair make"
                Make it\(aqs [best]: \(aqthis\(aq \e that.
                .PP
                \&.dot at the start, then
                more of it.
                .PP
                .EX
                  a  \(aqtable\(aq
                .EE
                .TP
                .I INPUT...
                files
                .TP
                \fB\-o\fR, \fB\-\-output\fR \fIOUTPUT\fR
                where the result goes
                .TP
                \fB\-\-type\fR \fInf4|fp4\fR
                codebook (default: nf4)
                .TP
                \fB\-\-keep\fR \fIREGEX\fR
                leave [a]: \(aqb\(aq \e as is (repeatable)
                .SS "qpair count"
                Count.
                .TP
                .I [NUMBER]
                limit
                .SH OPTIONS
                Every command takes:
                .TP
                \fB\-h\fR, \fB\-\-help\fR
                print this help and exit
                .TP
                \fB\-\-version\fR
                print the version and exit
                .TP
                \fB\-q\fR, \fB\-\-quiet\fR
                print no notes and no progress
                .TP
                \fB\-\-color\fR \fIWHEN\fR
                when to colour the output (auto, always, never; default: auto)
                .SH EXIT STATUS
                .TP
                0
                done
                .TP
                1
                the answer is no
                .TP
                2
                failed
                .TP
                64
                the command line is wrong
                .SH ENVIRONMENT
                .TP
                NO_COLOR
                when set and not empty, \-\-color auto means never
                .TP
                COLUMNS
                width of a terminal that does not tell its own
                .SH EXAMPLES
                .PP
                .EX
                qpair make a.b \e
                  \-o \(aqc\(aq
                .EE
                .PP
                .EX
                qpair count 3
                .EE

                """#)
    }

    @Test func manualOfAToolWithoutCommands() {
        #expect(
            DemoTool.run(["--generate-manual"], tool: DemoTool.single).output == #"""
                .TH "QMERGE" 1 "" "qmerge 1.2.3"
                .SH NAME
                qmerge \- merge an adapter into a model
                .SH SYNOPSIS
                .B qmerge
                BASE ADAPTER \-o OUTPUT [options]
                .SH OPTIONS
                .TP
                .I BASE
                model
                .TP
                .I ADAPTER
                adapter
                .TP
                \fB\-o\fR, \fB\-\-output\fR \fIOUTPUT\fR
                where the result goes (required)
                .TP
                \fB\-\-unmerge\fR
                take the adapter out again
                .TP
                \fB\-h\fR, \fB\-\-help\fR
                print this help and exit
                .TP
                \fB\-\-version\fR
                print the version and exit
                .TP
                \fB\-q\fR, \fB\-\-quiet\fR
                print no notes and no progress
                .TP
                \fB\-\-color\fR \fIWHEN\fR
                when to colour the output (auto, always, never; default: auto)
                .SH EXIT STATUS
                .TP
                0
                done
                .TP
                1
                the answer is no
                .TP
                2
                failed
                .TP
                64
                the command line is wrong
                .SH ENVIRONMENT
                .TP
                NO_COLOR
                when set and not empty, \-\-color auto means never
                .TP
                COLUMNS
                width of a terminal that does not tell its own
                .SH EXAMPLES
                .PP
                .EX
                qmerge gpt2 alpaca.lora \-o merged.qnf
                .EE

                """#)
    }
}
