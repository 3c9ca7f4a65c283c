import ByteIO
import Glibc
import TestSupport
import Testing

/// A model that is cut short while a tool has it mapped: a message and status 2, not death without a word.
@Suite(.disabled(if: ToolProcess.isSanitized, "a sanitizer has signal handlers of its own"))
struct LostPagesTests {
    private static let message =
        "error: a model file can no longer be read where it is mapped: it has shrunk while it was used, or its disk fails\n"

    private static func cutShort(_ folder: TemporaryFolder) {
        #expect(truncate(folder.path("model.safetensors"), 0) == 0)
    }

    @Test func trainingEndsWithAMessageAndLeavesNothing() throws {
        let model = try Fixture.copyOfLlama(replacing: "{", with: "{")
        let folder = try TemporaryFolder()
        let line = try TrainTests.line(folder, output: "x.lora", ["--steps", "100000", "--eval-every", "100000"])
        let process = try ToolProcess("qtrain", [model.path] + line.dropFirst())
        for _ in 0..<60_000 where !process.errors.contains("step 0: validation loss") { usleep(1000) }
        #expect(try folder.names().contains { $0.contains("x.lora.partial-") })
        Self.cutShort(model)
        #expect(process.wait() == .exit(2))
        #expect(process.errors.hasSuffix(Self.message), "\(process.errors)")
        #expect(try folder.names() == ["data.json"])
    }

    static let readers: [(tool: String, models: [String], options: [String])] = [
        ("qverify", ["perplexity"], ["--text", "-"]), ("qverify", ["compare", Fixture.sample("llama-bnb4")], ["--text", "-"]),
        ("qrun", ["chat"], []),
    ]

    /// The text comes through a pipe: who waits for the rest of it has the model open already.
    @Test(arguments: readers)
    func runningEndsWithAMessage(_ reader: (tool: String, models: [String], options: [String])) throws {
        let model = try Fixture.copyOfLlama(replacing: "{", with: "{")
        let folder = try TemporaryFolder()
        let pipe = folder.path("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        let process = try ToolProcess(reader.tool, reader.models + [model.path] + reader.options, limits: "exec <'\(pipe)'")
        let descriptor = open(pipe, O_WRONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        let text = Array("The dog sleeps and the cat runs.".utf8)
        #expect(write(descriptor, text, text.count) == text.count)
        var unread = Int32(text.count)
        for _ in 0..<60_000 where unread > 0 {
            usleep(1000)
            #expect(ioctl(descriptor, UInt(FIONREAD), &unread) == 0)
        }
        #expect(unread == 0)
        Self.cutShort(model)
        // The end of the line, which is the end of what is said in a conversation.
        #expect(write(descriptor, [0x0a], 1) == 1)
        close(descriptor)
        #expect(process.wait() == .exit(2))
        #expect(process.errors.hasSuffix(Self.message), "\(process.errors)")
        #expect(process.output == "")
    }
}
