extension Compiler {
    /// Leaves the value on the stack. With `caller`, the expression is a call that gets this routine as its `caller`.
    func compile(_ expression: Expression, _ context: Context, caller: Int32? = nil) throws(TemplateError) {
        let routine = context.routine
        let offset = expression.offset
        switch expression.node {
        case .constant(let value): routine.emit(.constant(constant(value)), at: offset)
        case .name(let name): load(name, at: offset, context)
        case .list(let elements):
            for element in elements { try compile(element, context) }
            routine.emit(.list(Int32(elements.count)), at: offset)
        case .tuple(let elements):
            for element in elements { try compile(element, context) }
            routine.emit(.tuple(Int32(elements.count)), at: offset)
        case .dictionary(let members):
            for (key, value) in members {
                try compile(key, context)
                try compile(value, context)
            }
            routine.emit(.dictionary(Int32(members.count)), at: offset)
        case .negate(let operand):
            try compile(operand, context)
            routine.emit(.negate, at: offset)
        case .plus(let operand):
            try compile(operand, context)
            routine.emit(.plus, at: offset)
        case .not(let operand):
            try compile(operand, context)
            routine.emit(.not, at: offset)
        case .and(let operands): try compile(operands, context) { .jumpIfFalseOrPop($0) }
        case .or(let operands): try compile(operands, context) { .jumpIfTrueOrPop($0) }
        case .arithmetic(let left, let parts):
            try compile(left, context)
            for part in parts {
                try compile(part.right, context)
                routine.emit(.arithmetic(part.operation), at: part.offset)
            }
        case .concatenation(let operands):
            for operand in operands { try compile(operand, context) }
            routine.emit(.concatenate(Int32(operands.count)), at: offset)
        case .comparison(let left, let parts): try compile(left, parts, context)
        case .conditional(let branches, let otherwise): try compile(branches, otherwise, at: offset, context)
        case .postfix(let base, let parts): try compile(base, parts, context, caller: caller)
        case .slice(let start, let stop, let step):
            for bound in [start, stop, step] {
                if let bound { try compile(bound, context) } else { routine.emit(.constant(constant(.none)), at: offset) }
            }
            routine.emit(.slice, at: offset)
        }
    }

    private func compile(_ operands: [Expression], _ context: Context, _ jump: (Int32) -> Instruction) throws(TemplateError) {
        var ends: [Int] = []
        for (index, operand) in operands.enumerated() {
            try compile(operand, context)
            if index + 1 < operands.count { ends.append(context.routine.emitJump(jump, at: operand.offset)) }
        }
        for end in ends { context.routine.patch(end, jump) }
    }

    private func compile(
        _ left: Expression, _ parts: [(operation: Comparison, offset: Int, right: Expression)], _ context: Context
    ) throws(TemplateError) {
        try compile(left, context)
        var ends: [(Int, Comparison)] = []
        for (index, part) in parts.enumerated() {
            try compile(part.right, context)
            if index + 1 < parts.count {
                ends.append((context.routine.emitJump({ .compareChained(part.operation, $0) }, at: part.offset), part.operation))
            } else {
                context.routine.emit(.compare(part.operation), at: part.offset)
            }
        }
        for (end, operation) in ends { context.routine.patch(end) { .compareChained(operation, $0) } }
    }

    private func compile(
        _ branches: [(condition: Expression, value: Expression)], _ otherwise: Expression?, at offset: Int, _ context: Context
    ) throws(TemplateError) {
        var context = context
        context.isConditional = true
        var ends: [Int] = []
        for (condition, value) in branches {
            try compile(condition, context)
            let skip = context.routine.emitJump({ .jumpIfFalse($0) }, at: condition.offset)
            try compile(value, context)
            ends.append(context.routine.emitJump({ .jump($0) }, at: offset))
            context.routine.patch(skip) { .jumpIfFalse($0) }
        }
        if let otherwise { try compile(otherwise, context) } else { context.routine.emit(.undefinedCondition, at: offset) }
        for end in ends { context.routine.patch(end) { .jump($0) } }
    }

    private func compile(
        _ base: Expression, _ parts: [Expression.Postfix], _ context: Context, caller: Int32?
    ) throws(TemplateError) {
        try compile(base, context)
        var index = 0
        while index < parts.count {
            let part = parts[index]
            let isLast = index + 1 >= parts.count
            if case .member(let member) = part.node, !isLast, case .call(let arguments) = parts[index + 1].node {
                let caller = index + 2 == parts.count ? caller : nil
                try compile(arguments, context, caller: caller)
                let shape = shape(arguments, hasCaller: caller != nil)
                context.routine.emit(.callMember(name: name(member), shape: shape), at: part.offset)
                index += 2
                continue
            }
            if isLast, let caller, case .call(let arguments) = part.node {
                try compile(arguments, context, caller: caller)
                context.routine.emit(.call(shape(arguments, hasCaller: true)), at: part.offset)
            } else {
                try compile(part, context)
            }
            index += 1
        }
    }

    func compile(_ part: Expression.Postfix, _ context: Context) throws(TemplateError) {
        let routine = context.routine
        switch part.node {
        case .member(let member): routine.emit(.member(name(member)), at: part.offset)
        case .subscripted(let index):
            try compile(index, context)
            if case .slice = index.node { break }
            routine.emit(.subscripted, at: part.offset)
        case .call(let arguments):
            try compile(arguments, context, caller: nil)
            routine.emit(.call(shape(arguments)), at: part.offset)
        case .filter(let name, let arguments):
            try compile(arguments, context, caller: nil)
            if let filter = TemplateFilter(rawValue: name) {
                routine.emit(.filter(filter, shape(arguments)), at: part.offset)
            } else {
                guard context.isConditional else { throw source.error(.unsupported, at: part.offset, TemplateFilter.missing(name)) }
                routine.emit(.missing(isFilter: true, name: self.name(name)), at: part.offset)
            }
        case .test(let name, let arguments, let isNegated):
            try compile(arguments, context, caller: nil)
            if let test = TemplateTest(rawValue: name) {
                routine.emit(.test(test, shape(arguments)), at: part.offset)
            } else {
                guard context.isConditional else { throw source.error(.unsupported, at: part.offset, TemplateTest.missing(name)) }
                routine.emit(.missing(isFilter: false, name: self.name(name)), at: part.offset)
            }
            if isNegated { routine.emit(.not, at: part.offset) }
        }
    }

    private func compile(_ arguments: Expression.Arguments, _ context: Context, caller: Int32?) throws(TemplateError) {
        for value in arguments.positional { try compile(value, context) }
        for (_, value) in arguments.keywords { try compile(value, context) }
        if let caller { context.routine.emit(.closure(caller), at: 0) }
        if let list = arguments.list { try compile(list, context) }
        if let mapping = arguments.mapping { try compile(mapping, context) }
    }
}
