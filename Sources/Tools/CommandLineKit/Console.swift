import Synchronization

/// A tool's way to the person or program that started it: two streams, their terminals, and Ctrl-C.
///
/// Results go to standard output and are buffered; a write that fails is thrown, so that a closed pipe or a full disk
/// ends the work and unwinds it. Everything else goes to standard error, unbuffered; that it cannot be
/// written is not worth failing for. May be used from any thread.
package final class Console: Sendable {
    private struct State {
        var buffer: [UInt8] = []
        var isAtLineStart = true
        var isProgressShown = false
        var isQuiet = false
        var color = ColorChoice.auto
    }

    /// Prefixes every message.
    package let toolName: String
    package let outputTerminal: Terminal
    package let errorTerminal: Terminal
    private let output: any OutputSink
    private let errors: any OutputSink
    private let interrupts: Interrupts
    private let state = Mutex(State())

    /// Writes of a listing are collected up to this size: a system call per line would dominate a long one.
    private static let bufferLimit = 1 << 16
    /// Columns that a message takes at most.
    private static let messageWidth = 1000
    private static let eraseLine = "\r\u{1B}[K"

    package init(
        toolName: String, output: any OutputSink, errors: any OutputSink, outputTerminal: Terminal = .none,
        errorTerminal: Terminal = .none, interrupts: Interrupts = Interrupts()
    ) {
        self.toolName = toolName
        self.output = output
        self.errors = errors
        self.outputTerminal = outputTerminal
        self.errorTerminal = errorTerminal
        self.interrupts = interrupts
    }

    /// The console of this process.
    convenience init(toolName: String, interrupts: Interrupts) {
        self.init(
            toolName: toolName, output: DescriptorSink(descriptor: 1, name: "standard output"),
            errors: DescriptorSink(descriptor: 2, name: "standard error"), outputTerminal: Terminal(descriptor: 1),
            errorTerminal: Terminal(descriptor: 2), interrupts: interrupts)
    }

    /// Writes text to standard output as it is; names that come from files go through `terminalSafe` first.
    package func write(_ text: String) throws(OutputError) {
        let result = state.withLock { state -> Result<Void, OutputError> in
            if outputTerminal.isTerminal { eraseProgress(&state) }
            state.buffer += text.utf8
            if let last = state.buffer.last { state.isAtLineStart = last == UInt8(ascii: "\n") }
            // On a terminal somebody is waiting for the line.
            guard outputTerminal.isTerminal || state.buffer.count >= Self.bufferLimit else { return .success(()) }
            return flush(&state)
        }
        try result.get()
    }

    package func writeLine(_ line: String = "") throws(OutputError) {
        try write(line + "\n")
    }

    /// Fitted to the terminal's width; complete where standard output is a file or a pipe.
    package func write(_ table: Table) throws(OutputError) {
        try write(table.text(width: outputTerminal.isTerminal ? outputTerminal.width : nil, style: style))
    }

    /// Writes one whole document, such as JSON, ending in one newline.
    package func writeDocument(_ text: String) throws(OutputError) {
        try write(text.utf8.last == UInt8(ascii: "\n") ? text : text + "\n")
    }

    /// Hands on what is buffered. `Tool.run` does it at the end.
    package func flush() throws(OutputError) {
        let result = state.withLock { flush(&$0) }
        try result.get()
    }

    /// Emphasis for standard output.
    package var style: Style { style(for: outputTerminal) }

    /// Something that the user should know although the work goes on; printed also under `--quiet`.
    package func warning(_ message: String, hint: String? = nil) {
        report("warning", .yellow, message, hint)
    }

    /// Something worth knowing; `--quiet` suppresses it.
    package func note(_ message: String) {
        if !isQuiet { report("note", .dim, message, nil) }
    }

    /// Why the tool ends.
    package func error(_ error: any Error) {
        report("error", .red, String(describing: error), (error as? any Explained)?.hint)
    }

    /// Shows progress on standard error while the work lasts: on a terminal, and not under `--quiet`.
    package func progress(_ label: String, total: Int, unit: Progress.Unit = .bytes) -> Progress {
        Progress(label: label, total: total, unit: unit, console: errorTerminal.isTerminal && !isQuiet ? self : nil)
    }

    /// Runs `cleanup` before SIGINT, SIGTERM or SIGHUP ends the process; see `Interrupts.onTermination`.
    @discardableResult
    package func onTermination(_ cleanup: @escaping @Sendable () -> Void) -> TerminationHook {
        interrupts.onTermination(cleanup)
    }

    /// While `body` lasts, Ctrl-C does not end the tool: `body` asks whether it came, and stops by itself.
    package func absorbingInterrupts<Result>(_ body: (_ wasInterrupted: () -> Bool) throws -> Result) rethrows -> Result {
        try interrupts.absorbing(body)
    }

    /// Does not return once a signal is ending the process.
    func passUnlessEnding() {
        interrupts.passUnlessEnding()
    }

    package var isQuiet: Bool { state.withLock { $0.isQuiet } }

    /// What `--quiet` and `--color` ask for; `Tool.run` calls it.
    package func configure(isQuiet: Bool, color: ColorChoice) {
        state.withLock {
            $0.isQuiet = isQuiet
            $0.color = color
        }
    }

    /// Text on standard error without a prefix.
    func writeError(_ text: String) {
        state.withLock { state in
            eraseProgress(&state)
            write(toErrors: text)
        }
    }

    /// Replaces the progress line; not while an unfinished line of output stands there.
    package func showProgress(_ line: String) {
        state.withLock { state in
            guard state.isAtLineStart || !outputTerminal.isTerminal else { return }
            write(toErrors: Self.eraseLine + line)
            state.isProgressShown = true
        }
    }

    /// Takes the progress line away, if there is one.
    package func eraseProgress() {
        state.withLock { eraseProgress(&$0) }
    }

    /// For the moment before a signal ends the process: never waits for a thread that is stuck writing to a full pipe.
    func eraseProgressAtTermination() {
        _ = state.withLockIfAvailable { eraseProgress(&$0) }
    }

    private func eraseProgress(_ state: inout State) {
        guard state.isProgressShown else { return }
        write(toErrors: Self.eraseLine)
        state.isProgressShown = false
    }

    private func report(_ kind: String, _ emphasis: Style.Emphasis, _ message: String, _ hint: String?) {
        let style = style(for: errorTerminal)
        // A name from a file may have megabytes: what happened and with which numbers stands at the two ends.
        let shown = message.spelledAsOptions.terminalSafe.middleTruncated(to: Self.messageWidth)
        var text = "\(toolName): \(style.apply(emphasis, kind + ":")) \(shown)\n"
        if let hint { text += "\(style.bold("hint:")) \(hint.spelledAsOptions.terminalSafe)\n" }
        writeError(text)
    }

    private func style(for terminal: Terminal) -> Style {
        switch state.withLock({ $0.color }) {
        case .auto: Style(isEnabled: terminal.prefersColor)
        case .always: Style(isEnabled: true)
        case .never: Style(isEnabled: false)
        }
    }

    private func flush(_ state: inout State) -> Result<Void, OutputError> {
        guard !state.buffer.isEmpty else { return .success(()) }
        let bytes = state.buffer
        // Also after a failure: what could not be written once is not tried again at the end.
        state.buffer.removeAll(keepingCapacity: true)
        return Result { () throws(OutputError) in try output.write(bytes) }
    }

    private func write(toErrors text: String) {
        // There is no third stream to say that the second is gone.
        try? errors.write(Array(text.utf8))
    }
}
