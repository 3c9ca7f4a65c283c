import CommandLineKit

qverify.main()
