import CommandLineKit
import Glibc

exit(qverify.run(CommandLine.arguments))
