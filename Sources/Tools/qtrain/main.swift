import CommandLineKit

qtrain.main()
