import Glibc
import TestSupport
import Testing

/// Conversations need standard input and signals: a process of their own.
@Suite(.serialized) struct ChatTests {
    private static let line = [
        "chat", Fixture.sample("llama-hf"), "--adapter", Fixture.sample("adapters/llama-instructions"), "--temperature", "0",
        "--max-tokens", "8",
    ]

    /// Runs a conversation whose lines are the input.
    private static func chat(_ lines: [String], _ options: [String] = []) throws -> ToolProcess {
        let folder = try TemporaryFolder()
        let path = folder.path("lines")
        let text = lines.map { $0 + "\n" }.joined()
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
        _ = text.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
        let process = try ToolProcess("qrun", line + options, limits: "exec < '\(path)'")
        #expect(process.wait() == .exit(0))
        return process
    }

    @Test func switchesAdaptersAndBack() throws {
        let process = try Self.chat(["Hello", "/reset", "/adapter none", "Hello", "/reset", "/adapter llama-instructions", "Hello"])
        // The base's answer, which may have several lines, stands between two equal ones.
        let lines = process.output.split(separator: "\n")
        #expect(lines.count >= 3 && lines.first == lines.last && lines.first != lines.dropFirst().first)
        #expect(process.errors.contains("note: the base alone") && process.errors.contains("note: adapter llama-instructions"))
    }

    @Test func knowsItsCommands() throws {
        let process = try Self.chat(["/help", "", "/adapter other", "/what", "/exit", "never read"])
        #expect(process.output.hasPrefix("/adapter NAME  /adapter none  /reset  /help  /exit; Ctrl-C stops an answer\n"))
        #expect(process.output.hasSuffix("adapters: llama-instructions\n"))
        #expect(process.errors.contains("there is no adapter 'other'\nhint: there are: llama-instructions, none"))
        #expect(process.errors.contains("'/what' is no command\nhint: /help lists them"))
        #expect(!process.errors.contains("tokens read"))
    }

    /// What does not fit is told and forgotten, and the conversation goes on.
    @Test func aLongMessageIsRefusedAlone() throws {
        let process = try Self.chat([String(repeating: "word ", count: 200), "Hello"], ["--context", "100"])
        #expect(
            process.errors.contains(
                " tokens, but the context has room for 100\nhint: /reset begins another one; --context sets up more room"))
        #expect(process.errors.contains(" tokens read in") && !process.output.isEmpty)
    }

    /// What the template refuses is told and forgotten, too.
    @Test func aMessageThatTheTemplateRefusesIsToldAlone() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "{% if messages | length > 1 %}{{ raise_exception('no more') }}{% endif %}{{ messages[0].content }}", to: "once.jinja")
        let process = try Self.chat(["Hello", "again", "/reset", "Hello"], ["--template", path])
        #expect(process.errors.split(separator: "says: no more\n", omittingEmptySubsequences: false).count == 2, "\(process.errors)")
        #expect(process.errors.split(separator: " tokens read in", omittingEmptySubsequences: false).count == 3, "\(process.errors)")
    }

    @Test func adaptersOfOneNameGoByTheirPaths() throws {
        let sample = Fixture.sample("adapters/llama-instructions")
        let process = try Self.chat(
            ["/adapter llama-instructions", "/adapter \(sample)"], ["--adapter", sample + "/../llama-instructions"])
        #expect(process.errors.contains("there is no adapter 'llama-instructions'\nhint: there are: \(sample), "))
        #expect(process.errors.contains("note: adapter \(sample)\n"))
    }

    @Test func anEndOfInputEndsIt() throws {
        #expect(try Self.chat([]).output.isEmpty)
    }

    @Test func anInterruptStopsTheAnswerAlone() throws {
        let folder = try TemporaryFolder()
        let pipe = folder.path("pipe")
        // The pipe stays open a while, so that the conversation is not over when its first answer is.
        let process = try ToolProcess(
            "qrun",
            ["chat", Fixture.sample("llama-hf"), "--max-tokens", "100000", "--context", "4000", "--temperature", "5", "--top-k", "0"]
                + ["--top-p", "1", "--min-p", "0"],
            limits: "mkfifo '\(pipe)'; (echo Hello; sleep 3; echo /help) > '\(pipe)' & exec < '\(pipe)'")
        while process.output.isEmpty { usleep(1000) }
        process.kill(SIGINT)
        #expect(process.wait() == .exit(0))
        #expect(process.errors.contains("interrupted"))
        #expect(process.output.contains("/help  /exit"))
    }
}
