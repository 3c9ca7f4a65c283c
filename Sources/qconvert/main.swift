import CommandLineKit
import Glibc

exit(qconvert.run(CommandLine.arguments))
