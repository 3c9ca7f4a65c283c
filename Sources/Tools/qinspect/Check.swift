import CommandLineKit
import ToolSupport

/// `qinspect check`.
func check(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    try checkIntegrity(of: arguments.positional(always: "file"), arguments, console)
}
