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

    // Operators
    case negate, plus, not
    case arithmetic(Arithmetic)
    case concatenate(Int32)
    case compare(Comparison)
    /// `a < b < c`: compares the top two; jumps with false, or keeps the second for the next comparison.
    case compareChained(Comparison, Int32)
    /// The value of `x if false`.
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
    /// Pops the loop, and jumps over its `else` if the body ran to its end.
    case endLoop(Int32)
    /// The end of the routine that decides about an element of a loop.
    case leaveFilter(isAccepted: Bool)
    /// The elements of a value, the first one on top.
    case unpack(Int32)
    /// The end of any other routine.
    case finish

    // Namespaces
    case requireNamespace
    /// Namespace, value.
    case setMember(Int32)

    // Output
    case text(Int32)
    case output
    /// What is written from here on becomes a value, or is dropped where `break` leaves it.
    case beginCapture
    case endCapture
    case dropCapture
    case beginGeneration
    case endGeneration
    /// A macro, with the variables that it can see.
    case closure(Int32)
    /// Runs a block at the place where it stands.
    case block(Int32)
}
