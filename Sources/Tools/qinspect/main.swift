import CommandLineKit

qinspect.main()
