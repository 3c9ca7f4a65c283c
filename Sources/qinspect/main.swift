import CommandLineKit
import Glibc

exit(qinspect.run(CommandLine.arguments))
