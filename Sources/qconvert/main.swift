import CommandLineKit

qconvert.main()
