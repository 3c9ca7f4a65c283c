/// Collects the instructions of one routine.
final class RoutineBuilder {
    let name: String?
    /// Routines around this one.
    let depth: Int
    private(set) var code: [Instruction] = []
    private var offsets: [UInt32] = []
    private var slots: [Scope.Variable: Int] = [:]

    var parameters: [String] = []
    var parameterSlots: [Int] = []
    var callerSlot: Int?
    var keywordsSlot: Int?
    var surplusSlot: Int?
    var hasExplicitCaller = false

    init(name: String?, depth: Int) {
        self.name = name
        self.depth = depth
    }

    /// The index of the next instruction.
    var position: Int32 { Int32(code.count) }

    func emit(_ instruction: Instruction, at offset: Int) {
        code.append(instruction)
        offsets.append(UInt32(offset))
    }

    /// Emits an instruction whose target is set later.
    func emitJump(_ make: (Int32) -> Instruction, at offset: Int) -> Int {
        emit(make(-1), at: offset)
        return code.count - 1
    }

    func patch(_ index: Int, _ make: (Int32) -> Instruction) { code[index] = make(position) }

    func slot(of variable: Scope.Variable) -> Int {
        if let slot = slots[variable] { return slot }
        let slot = slots.count
        slots[variable] = slot
        return slot
    }

    func routine() -> Program.Routine {
        Program.Routine(
            name: name, code: code, offsets: offsets, slotCount: slots.count, parameters: parameters, parameterSlots: parameterSlots,
            callerSlot: callerSlot, keywordsSlot: keywordsSlot, surplusSlot: surplusSlot, hasExplicitCaller: hasExplicitCaller)
    }
}
