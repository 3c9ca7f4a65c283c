// libFuzzer over the readers. Built by `make fuzz` only: Package.swift lists this target where QNF_FUZZ is set.
CommandLineEntry.run(CommandLine.arguments)
