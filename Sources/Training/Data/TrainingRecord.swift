/// One thing to learn from, as a data set states it.
package enum TrainingRecord: Hashable, Sendable {
    /// What to do, on what (may be empty), and the answer.
    case instruction(String, input: String, output: String)
    /// Turns of a conversation.
    case conversation([Message])
    case pair(prompt: String, completion: String)
    case text(String)

    package struct Message: Hashable, Sendable {
        package let role: Role
        package let content: String

        package init(role: Role, content: String) {
            self.role = role
            self.content = content
        }
    }

    package enum Role: String, Hashable, Sendable, CaseIterable {
        case system, user, assistant
    }
}
