import CommandLineKit
import ToolSupport

qrun.main()
