/// A regular expression as a tree: the part of Oniguruma's language that has no memory, so that an automaton can match it.
indirect enum Expression: Hashable, Sendable {
    case empty
    /// One scalar of a set.
    case scalar(ScalarSet)
    case sequence([Expression])
    /// The first that leads to a match.
    case choice([Expression])
    /// As often as it gets, or as seldom (`isGreedy` false); no upper bound where `most` is nil.
    case repetition(Expression, least: Int, most: Int?, isGreedy: Bool)
    /// What follows, without taking it: a scalar of the set, or the end of the text where `acceptsEnd`.
    case lookahead(ScalarSet, acceptsEnd: Bool)

    /// Whether it can match without taking a scalar.
    var isNullable: Bool {
        switch self {
        case .empty, .lookahead: true
        case .scalar: false
        case .sequence(let parts): parts.allSatisfy(\.isNullable)
        case .choice(let parts): parts.contains(where: \.isNullable)
        case .repetition(let part, let least, _, _): least == 0 || part.isNullable
        }
    }
}
