import CommandLineKit
import JSONText
import ModelLoading
import Training
import Transformer

/// Answers to the prompts of `--sample-prompt` while a run lasts, so that a person sees what it does to the model.
struct PromptWatch {
    let setup: TrainSetup
    let prompts: [String]
    let log: AppendedFile?
    let console: Console

    private static let answerLimit = 64

    func answer(afterStep step: Int) throws {
        guard !prompts.isEmpty else { return }
        let session = AnswerSession(
            setup.loaded.configuration, setup.model.tunedWeights(of: setup.loaded.weights), setup.data, setup.resources,
            answerLimit: Self.answerLimit)
        for prompt in prompts {
            let answer = try session.answer(to: prompt)
            console.note("step \(step): \(prompt.debugDescription) -> \(answer.debugDescription)")
            try log?.writeLine(
                JSONValue.object(["step": .integer(step), "prompt": .string(prompt), "answer": .string(answer)]).text(.python))
        }
    }
}
