/// A statement of a template, and where it begins.
struct Statement {
    /// Byte offset in the source.
    let offset: Int
    let node: Node

    indirect enum Node {
        case text(String)
        case output(Expression)
        case loop(Loop)
        case condition([(condition: Expression, body: [Statement])], otherwise: [Statement])
        case set(Target, Expression)
        /// `{% set x | filter %}...{% endset %}`
        case setBlock(Target, filters: [Expression.Postfix], [Statement])
        case macro(String, Routine)
        /// `{% call(parameters) callee(arguments) %}...{% endcall %}`; the expression ends in a call.
        case callBlock(Expression, Routine)
        case filterBlock([Expression.Postfix], [Statement])
        case with([(target: Target, value: Expression)], [Statement])
        case block(String, [Statement])
        case generation([Statement])
        case breakLoop
        case continueLoop
    }

    struct Loop {
        let target: Target
        let iterated: Expression
        let filter: Expression?
        let body: [Statement]
        let otherwise: [Statement]
    }

    /// Parameters and body of a macro, or of what a call block hands to one.
    struct Routine {
        let parameters: [(name: String, initial: Expression?)]
        let body: [Statement]
    }

    /// What can be assigned to.
    struct Target {
        let offset: Int
        let node: Node

        enum Node {
            case name(String)
            /// A member of a namespace.
            case member(String, String)
            case tuple([Target])
        }
    }
}
