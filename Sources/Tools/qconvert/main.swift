import CommandLineKit
import ToolSupport

qconvert.main()
