package import Prompts

/// One thing to learn from, as a data set states it.
package enum TrainingRecord: Hashable, Sendable {
    /// What to do, on what (may be empty), and the answer.
    case instruction(String, input: String, output: String)
    /// Turns of a conversation, and tools that may be called in it.
    case conversation(Conversation)
    case pair(prompt: String, completion: String)
    case text(String)
}
