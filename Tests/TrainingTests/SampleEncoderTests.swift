import Checkpoints
import ModelLoading
import Prompts
import TestSupport
import Testing
import Tokenization

@testable import Records
@testable import Training

/// With the tokenizer of the sample models, whose end, padding and beginning are one token.
@Suite struct SampleEncoderTests {
    private let tokenizer: Tokenizer
    private let end: Int32

    init() throws {
        tokenizer = try Checkpoint.open(Fixture.sample("llama-bnb4")).tokenizer()
        end = try #require(tokenizer.specialTokens.end)
    }

    private func encoder(
        _ template: BuiltinTemplate = .alpaca, _ lesson: SampleEncoder.Lesson = .completions, swaps: Bool = false, limit: Int = 200
    ) throws -> SampleEncoder {
        SampleEncoder(tokenizer, template: try ChatTemplate(template, tokenizer), lesson: lesson, swaps: swaps, limit: limit)
    }

    /// Of a record that is one sample.
    private func encode(_ record: TrainingRecord, swaps: Bool = false) throws -> Sample {
        let samples = try encoder(swaps: swaps).encode(record)
        try #require(samples.count == 1)
        return samples[0]
    }

    private func learned(_ sample: Sample) -> String {
        tokenizer.decode(zip(sample.tokens, sample.isLearned).filter(\.1).map(\.0), showsSpecialTokens: true)
    }

    private let record = TrainingRecord.instruction("Spell the word.", input: "cat", output: "c-a-t")

    @Test("learns the response and the first end of text, though it is the padding token, too")
    func learnsToStop() throws {
        let sample = try encode(record)
        #expect(learned(sample) == "c-a-t<|endoftext|>")
        #expect(sample.tokens.last == end && sample.isLearned.last == true)
        #expect(sample.tokens.filter { $0 == end }.count == 1)
        let text = tokenizer.decode(sample.tokens)
        #expect(text.hasSuffix("### Instruction:\nSpell the word.\n\n### Input:\ncat\n\n### Response:\nc-a-t"))
        // A batch pads nothing: whatever is shorter than its neighbour ends with its own end of text.
        let batch = Batch([sample, try encode(.instruction("Go.", input: "", output: "ok"))])
        #expect(batch.targets.filter { $0 == end }.count == 2)
    }

    @Test func learnsEverythingWhereThatIsWanted() throws {
        let sample = try encoder(.alpaca, .all).encode(record)[0]
        #expect(sample.learnedCount == sample.tokens.count - 1)
    }

    @Test func swapsInstructionAndResponse() throws {
        #expect(try learned(encode(record, swaps: true)) == "Spell the word.\n\ncat<|endoftext|>")
        #expect(try learned(encode(.pair(prompt: "a", completion: "b"), swaps: true)) == "a<|endoftext|>")
    }

    @Test func learnsEveryAnswerOfAConversation() throws {
        let talk = [("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "See you")]
        let messages = Conversation(talk.map { Conversation.message($0.0, $0.1) })
        #expect(try learned(encode(.conversation(messages))) == "Hello<|endoftext|>See you<|endoftext|>")
        let question = try #require(try encoder().question(.conversation(messages)))
        #expect(question.answer == "See you" && tokenizer.decode(question.prompt).hasSuffix("### Response:\n"))
    }

    @Test func asksWithWhatItTaught() throws {
        let sample = try encode(record), question = try #require(try encoder().question(record))
        #expect(Array(sample.tokens.prefix(question.prompt.count)) == question.prompt)
        #expect(question.answer == "c-a-t")
    }

    @Test func cutsATextIntoWindowsThatAreAllOfIt() throws {
        let text = TrainingRecord.text(String(repeating: "the dog sleeps ", count: 100))
        let windows = try encoder(limit: 64).windows(of: text)
        #expect(windows.count > 2 && windows.dropLast().allSatisfy { $0.tokens.count == 64 })
        #expect(windows.flatMap(\.tokens) == (try encode(text).tokens))
        // A last window of one token predicts nothing.
        let count = try encode(text).tokens.count
        #expect(try encoder(limit: count - 1).windows(of: text).map(\.tokens.count) == [count - 1])
    }

    @Test func cutsWhatIsTooLong() throws {
        let long = TrainingRecord.instruction("Say it.", input: "", output: String(repeating: "the dog sleeps ", count: 100))
        let late = TrainingRecord.instruction(String(repeating: "Say it. ", count: 100), input: "", output: "it")
        let text = TrainingRecord.text(String(repeating: "the dog sleeps ", count: 100))
        let outcome = try encoder(limit: 128).encode([(3, long), (4, late), (5, text), (6, record)])
        #expect(outcome.truncated == [3, 4] && outcome.skipped == [4])
        #expect(outcome.records.first == 3 && outcome.records.last == 6)
        #expect(outcome.records.filter { $0 == 5 }.count > 2)
        #expect(outcome.samples.allSatisfy { $0.tokens.count <= 128 })
        let whole = try encode(text)
        let parts = zip(outcome.samples, outcome.records).filter { $0.1 == 5 }.flatMap(\.0.tokens)
        #expect(parts == whole.tokens)
    }
}
