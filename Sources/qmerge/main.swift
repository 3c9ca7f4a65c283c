import CommandLineKit

qmerge.main()
