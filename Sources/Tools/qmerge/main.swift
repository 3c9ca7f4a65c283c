import CommandLineKit
import ToolSupport

qmerge.main()
