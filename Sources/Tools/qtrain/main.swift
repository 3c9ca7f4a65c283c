import CommandLineKit
import ToolSupport

qtrain.main()
