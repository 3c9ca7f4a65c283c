package import CommandLineKit
package import Parts
import Platform
import Streaming

extension Option {
    /// Of every command whose work many machines can share.
    package static let part = Option.text("part", "K/N", help: "do part K of N alone; auto or auto/N of a scheduler's task")
}

/// Variables of schedulers that say which task of an array this is.
private let taskVariables = [
    "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_COUNT", "JOB_COMPLETION_INDEX",
]

extension ParsedArguments {
    /// The part that is asked for; nil for all of the work.
    package func part() throws(UsageError) -> PartNumber? {
        guard let text = string("part") else { return nil }
        var environment: [String: String] = [:]
        for name in taskVariables {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        do { return try PartNumber(text, environment: environment) } catch { throw UsageError(error.message, hint: error.hint) }
    }
}
