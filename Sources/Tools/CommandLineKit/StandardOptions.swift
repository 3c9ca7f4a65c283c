/// Options that mean the same in every tool, declared once.
extension Option {
    /// On every command, added by `Command`.
    static let standard: [Option] = [help, version, quiet, color]

    static let help = Option.flag("help", short: "h", help: "print this help and exit")
    static let version = Option.flag("version", help: "print the version and exit")
    static let quiet = Option.flag("quiet", short: "q", help: "print no notes and no progress")
    static let color = Option.choice(
        "color", ColorChoice.allCases.map(\.rawValue), placeholder: "WHEN", default: ColorChoice.auto.rawValue,
        help: "when to colour the output")

    package static let json = Option.flag("json", help: "print one JSON document instead of text")
    package static let force = Option.flag("force", short: "f", help: "replace outputs that exist")
    package static let dryRun = Option.flag("dry-run", short: "n", help: "say what would be done, with sizes, and write nothing")
    package static let threads = Option.integer(
        "threads", short: "t", in: 1...1024, defaultText: "one per processor", help: "worker threads; the result is the same")
    package static let maxMemory = Option.byteCount(
        "max-memory", defaultText: "what the work needs", help: "resident memory to stay under")
    package static let output = Option.path("output", short: "o", "OUTPUT", help: "where the result goes").inUsage()
    package static let diffable = Option.flag(
        "diffable", help: "leave out offsets and sizes, so that 'diff' of two listings shows what matters")
    package static let match = Option.text("match", short: "m", "REGEX", help: "only tensors whose name REGEX matches somewhere")
}
