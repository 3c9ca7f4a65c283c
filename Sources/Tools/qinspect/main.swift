import CommandLineKit
import ToolSupport

qinspect.main()
