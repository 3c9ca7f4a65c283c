import CommandLineKit
import JSONText
import ModelLoading
import Training
import Transformer

/// Answers to the prompts of `--sample-prompt` while a run lasts, so that a person sees what it does to the model.
struct PromptWatch {
    let setup: TrainSetup
    let prompts: [String]
    let watch: RunWatch
    let console: Console

    private static let answerLimit = 64

    func answer(afterStep step: Int) throws {
        guard !prompts.isEmpty else { return }
        let session = AnswerSession(
            setup.loaded.configuration, setup.model.tunedWeights(of: setup.loaded.weights), setup.data, setup.resources,
            answerLimit: Self.answerLimit)
        for prompt in prompts {
            guard let answer = try session.answer(to: prompt) else {
                console.warning("--sample-prompt \(prompt.debugDescription) fills the model's context and leaves no room for an answer")
                continue
            }
            console.note("step \(step): \(prompt.debugDescription) -> \(answer.debugDescription)")
            watch.writeLine(["step": .integer(step), "prompt": .string(prompt), "answer": .string(answer)])
        }
        watch.leaveOutElapsedTime()
    }
}
