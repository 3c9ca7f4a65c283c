import CommandLineKit
import ToolSupport

/// `qinspect check`.
func check(_ arguments: ParsedArguments, _ console: Console) throws -> ExitCode {
    if let (part, output) = try arguments.reportPart() { return try checkPart(part, output: output, arguments, console) }
    return try checkIntegrity(of: arguments.positional(always: "file"), arguments, console)
}
