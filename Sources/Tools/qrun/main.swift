import CommandLineKit

qrun.main()
