import CommandLineKit
import Glibc

exit(qrun.run(CommandLine.arguments))
