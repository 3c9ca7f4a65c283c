/// An expression of a template, and where it begins.
struct Expression {
    /// Byte offset in the source.
    let offset: Int
    let node: Node

    indirect enum Node {
        case constant(Constant)
        case name(String)
        case list([Expression])
        case tuple([Expression])
        case dictionary([(key: Expression, value: Expression)])
        case negate(Expression)
        case plus(Expression)
        case not(Expression)
        case and([Expression])
        case or([Expression])
        /// Operators of one precedence, from the left.
        case arithmetic(Expression, [(operation: Arithmetic, offset: Int, right: Expression)])
        /// `a ~ b ~ c`
        case concatenation([Expression])
        /// `a < b <= c`
        case comparison(Expression, [(operation: Comparison, offset: Int, right: Expression)])
        /// `value if condition else value if condition else otherwise`
        case conditional([(condition: Expression, value: Expression)], otherwise: Expression?)
        /// Members, subscripts, calls, filters and tests, from the left.
        case postfix(Expression, [Postfix])
        /// In subscripts only.
        case slice(start: Expression?, stop: Expression?, step: Expression?)
    }

    /// What follows an operand.
    struct Postfix {
        let offset: Int
        let node: Node

        enum Node {
            case member(String)
            case subscripted(Expression)
            case call(Arguments)
            case filter(String, Arguments)
            case test(String, Arguments, isNegated: Bool)
        }
    }

    struct Arguments {
        var positional: [Expression] = []
        var keywords: [(name: String, value: Expression)] = []
        /// `*list`
        var list: Expression?
        /// `**mapping`
        var mapping: Expression?
    }
}
