/// What the machine does, one step each. Operands are on a stack of values; `Int32` numbers index the program's tables.
enum Instruction {
    // Values
    case constant(Int32)
    /// A variable of this routine, or of one around it: `hops` routines outward.
    case load(slot: Int32, hops: Int32, name: Int32)
    case store(slot: Int32)
    /// At the begin of a scope: what the caller gave under a name; of a variable outside; nothing.
    case resolve(slot: Int32, name: Int32)
    case alias(slot: Int32, outer: Int32, hops: Int32)
    case clear(slot: Int32)
    /// Makes a variable of the top level visible to blocks.
    case export(slot: Int32, name: Int32)
    case list(Int32)
    case tuple(Int32)
    case dictionary(Int32)
    case pop

    // Operators
    case negate, plus, not
    case arithmetic(Arithmetic)
    case concatenate(Int32)
    case compare(Comparison)
    /// `a < b < c`: compares the top two; jumps with false, or keeps the second for the next comparison.
    case compareChained(Comparison, Int32)
    case undefinedCondition
    case member(Int32)
    case subscripted
    /// Object, start, stop, step.
    case slice
    case call(Int32)
    /// A call of a member, without making a value of the method.
    case callMember(name: Int32, shape: Int32)
    case filter(TemplateFilter, Int32)
    case test(TemplateTest, Int32)
    /// Not among those that there are; an error only where it is reached.
    case missing(isFilter: Bool, name: Int32)

    // Control
    case jump(Int32)
    case jumpIfFalse(Int32)
    case jumpIfFalseOrPop(Int32)
    case jumpIfTrueOrPop(Int32)
    case jumpIfPassed(slot: Int32, Int32)
    /// A parameter without default that was not given.
    case undefinedParameter(slot: Int32, name: Int32)
    case beginLoop(Int32)
    /// The next element, or the end of the loop.
    case advance(Int32)
    /// The body ran to its end; without that, `else` follows.
    case completeIteration
    /// Pops the loop; jumps where its body never ran to its end.
    case endLoop(otherwise: Int32)
    /// Pops the loop as `break` does.
    case leaveFilter(isAccepted: Bool)
    case unpack(Int32)
    case finish

    // Namespaces
    case requireNamespace
    /// Namespace, value.
    case setMember(Int32)

    // Output
    case text(Int32)
    case output
    case beginCapture
    case endCapture
    case dropCapture
    case beginGeneration
    case endGeneration
    case closure(Int32)
    /// Runs a block at the place where it stands.
    case block(Int32)
}
