import CommandLineKit
import Glibc

exit(qtrain.run(CommandLine.arguments))
