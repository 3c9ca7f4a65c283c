import CommandLineKit
import Glibc

exit(qmerge.run(CommandLine.arguments))
