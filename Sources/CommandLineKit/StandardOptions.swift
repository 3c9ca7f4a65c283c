/// Options that mean the same in every tool, declared once.
extension Option {
    /// On every command, added by `Command`.
    static let standard: [Option] = [help, version, quiet, color]

    static let help = Option.flag("help", short: "h", help: "print this help and exit")
    static let version = Option.flag("version", help: "print the version and exit")
    static let quiet = Option.flag("quiet", short: "q", help: "print no notes and no progress; warnings and errors stay")
    static let color = Option.choice(
        "color", ColorChoice.allCases.map(\.rawValue), default: ColorChoice.auto.rawValue,
        help: "colour the output; auto: on a terminal, unless NO_COLOR is set")

    package static let json = Option.flag("json", help: "print one JSON document instead of text")
    package static let force = Option.flag("force", short: "f", help: "replace outputs that exist")
    package static let dryRun = Option.flag("dry-run", short: "n", help: "say what would be done and how large it gets; write nothing")
    package static let threads = Option.integer(
        "threads", short: "t", in: 1...1024, defaultText: "one per processor", help: "worker threads; the result does not depend on it")
    package static let maxMemory = Option.byteCount(
        "max-memory", defaultText: "what the work needs", help: "stay under SIZE of resident memory, or refuse before starting")
    package static let output = Option.path("output", short: "o", "OUTPUT", help: "where the result goes").inUsage()
    package static let diffable = Option.flag(
        "diffable", help: "leave out offsets and sizes, so that 'diff' of two listings shows what matters")
    package static let match = Option.text("match", short: "m", "REGEX", help: "only tensors whose name REGEX matches somewhere")
}
