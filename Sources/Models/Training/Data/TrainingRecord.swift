package import Tokenization

/// One thing to learn from, as a data set states it.
package enum TrainingRecord: Hashable, Sendable {
    /// What to do, on what (may be empty), and the answer.
    case instruction(String, input: String, output: String)
    /// Turns of a conversation.
    case conversation([ChatMessage])
    case pair(prompt: String, completion: String)
    case text(String)
}
