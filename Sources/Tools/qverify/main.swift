import CommandLineKit
import ToolSupport

qverify.main()
