extension Parser {
    /// How tightly operators bind, from the loosest; `not` stands between `and` and the comparisons.
    private enum Level: Int {
        case or, and, not, comparison, sum, concatenation, product, power, operand
    }

    /// Expressions with commas between them are a tuple, also without parentheses.
    mutating func parseTuple(
        allowsConditions: Bool = true, endsBefore word: String? = nil, isInParentheses: Bool = false
    ) throws(TemplateError) -> Expression {
        let offset = current.offset
        var elements: [Expression] = []
        var isTuple = false
        while true {
            if !elements.isEmpty { try expectSymbol(",") }
            let isEnd = current.kind == .outputEnd || current.kind == .blockEnd || isSymbol(")")
            if isEnd || word.map(isWord) ?? false { break }
            elements.append(allowsConditions ? try parseExpression() : try parseBinary(.or))
            guard isSymbol(",") else { break }
            isTuple = true
        }
        if !isTuple {
            if let only = elements.first { return only }
            guard isInParentheses else { throw unexpected("an expression") }
        }
        return Expression(offset: offset, node: .tuple(elements))
    }

    mutating func parseExpression() throws(TemplateError) -> Expression {
        try descend()
        defer { ascend() }
        let offset = current.offset
        var branches: [(condition: Expression, value: Expression)] = []
        var wrappings = 0
        defer { for _ in 0..<wrappings { ascend() } }
        var value = try parseBinary(.or)
        while skipWord("if") {
            let condition = try parseBinary(.or)
            if skipWord("else") {
                branches.append((condition, value))
                value = try parseBinary(.or)
            } else {
                // a if b if c: the whole of `a if b` depends on c. Counted twice, as walking it takes twice the place on the stack.
                value = Expression(offset: value.offset, node: .conditional([(condition, value)], otherwise: nil))
                wrappings += 2
                try descend()
                try descend()
            }
        }
        return branches.isEmpty ? value : Expression(offset: offset, node: .conditional(branches, otherwise: value))
    }

    // MARK: - Operators

    /// An expression whose operators bind at least as tightly as `level`.
    private mutating func parseBinary(_ level: Level) throws(TemplateError) -> Expression {
        try descend()
        defer { ascend() }
        if level.rawValue <= Level.not.rawValue, isWord("not") {
            let offset = current.offset
            advance()
            let negation = Expression(offset: offset, node: .not(try parseBinary(.not)))
            return try parseOperators(from: .and, to: level, left: negation)
        }
        return try parseOperators(from: .power, to: level, left: try parseUnary(allowsFilters: true))
    }

    /// Operators that follow `left`, from the tightest level to the loosest.
    private mutating func parseOperators(from tightest: Level, to loosest: Level, left: Expression) throws(TemplateError) -> Expression {
        var left = left
        var rank = tightest.rawValue
        while rank >= loosest.rawValue {
            if let level = Level(rawValue: rank) { left = try parseOperators(at: level, left: left) }
            rank -= 1
        }
        return left
    }

    private mutating func parseOperators(at level: Level, left: Expression) throws(TemplateError) -> Expression {
        switch level {
        case .or: return try parseSequence("or", level: .and, left: left) { .or($0) }
        case .and: return try parseSequence("and", level: .not, left: left) { .and($0) }
        case .comparison: return try parseComparison(left)
        case .sum: return try parseArithmetic([.add, .subtract], level: .concatenation, left: left)
        case .product: return try parseArithmetic([.multiply, .divide, .floorDivide, .modulo], level: .power, left: left)
        case .power: return try parseArithmetic([.power], level: .operand, left: left)
        case .concatenation:
            guard isSymbol("~") else { return left }
            var operands = [left]
            while skipSymbol("~") { operands.append(try parseBinary(.product)) }
            return Expression(offset: left.offset, node: .concatenation(operands))
        case .not, .operand: return left
        }
    }

    private mutating func parseSequence(
        _ word: String, level: Level, left: Expression, _ node: ([Expression]) -> Expression.Node
    ) throws(TemplateError) -> Expression {
        guard isWord(word) else { return left }
        var operands = [left]
        while skipWord(word) { operands.append(try parseBinary(level)) }
        return Expression(offset: left.offset, node: node(operands))
    }

    private mutating func parseComparison(_ left: Expression) throws(TemplateError) -> Expression {
        var parts: [(operation: Comparison, offset: Int, right: Expression)] = []
        while true {
            let token = current
            let operation: Comparison?
            switch token.kind {
            case .symbol: operation = Comparison(rawValue: token.text)
            case .name where token.text == "in": operation = .isIn
            case .name where token.text == "not" && next.kind == .name && next.text == "in":
                operation = .isNotIn
                advance()
            default: operation = nil
            }
            guard let operation else { break }
            advance()
            parts.append((operation, token.offset, try parseBinary(.sum)))
        }
        return parts.isEmpty ? left : Expression(offset: left.offset, node: .comparison(left, parts))
    }

    private mutating func parseArithmetic(
        _ operations: [Arithmetic], level: Level, left: Expression
    ) throws(TemplateError) -> Expression {
        var parts: [(operation: Arithmetic, offset: Int, right: Expression)] = []
        while current.kind == .symbol, let operation = Arithmetic(rawValue: current.text), operations.contains(operation) {
            let offset = current.offset
            advance()
            parts.append((operation, offset, try parseBinary(level)))
        }
        return parts.isEmpty ? left : Expression(offset: left.offset, node: .arithmetic(left, parts))
    }

    /// Signs bind looser than members and calls, tighter than filters: `-x.y | abs` is `(-(x.y)) | abs`.
    private mutating func parseUnary(allowsFilters: Bool) throws(TemplateError) -> Expression {
        try descend()
        defer { ascend() }
        let offset = current.offset
        var base: Expression
        if skipSymbol("-") {
            base = Expression(offset: offset, node: .negate(try parseUnary(allowsFilters: false)))
        } else if skipSymbol("+") {
            base = Expression(offset: offset, node: .plus(try parseUnary(allowsFilters: false)))
        } else {
            base = try parsePrimary()
        }
        var parts: [Expression.Postfix] = []
        try parsePostfix(into: &parts)
        while allowsFilters {
            let token = current
            if isSymbol("|") {
                parts += try parseFilters(beginsInline: false, stopsAfterOne: true)
            } else if isWord("is") {
                parts.append(try parseTest())
            } else if isSymbol("(") {
                parts.append(Expression.Postfix(offset: token.offset, node: .call(try parseArguments())))
            } else {
                break
            }
        }
        return parts.isEmpty ? base : Expression(offset: offset, node: .postfix(base, parts))
    }

    // MARK: - Operands

    private mutating func parsePrimary() throws(TemplateError) -> Expression {
        let token = current
        func constant(_ constant: Constant) -> Expression { Expression(offset: token.offset, node: .constant(constant)) }
        switch token.kind {
        case .name:
            advance()
            switch token.text {
            case "true", "True": return constant(.bool(true))
            case "false", "False": return constant(.bool(false))
            case "none", "None": return constant(.none)
            case "self", "super":
                throw source.error(.unsupported, at: token.offset, "'\(token.text)' is not supported: chat templates inherit nothing")
            default: return Expression(offset: token.offset, node: .name(token.text))
            }
        case .string:
            var text = ""
            while current.kind == .string {
                text += current.text
                advance()
            }
            return constant(.string(Array(text.utf8)))
        case .integer:
            advance()
            return constant(.integer(try integer(token)))
        case .float:
            advance()
            return constant(.double(Double(token.text) ?? .infinity))
        case .symbol where token.text == "(":
            advance()
            let inner = try parseTuple(isInParentheses: true)
            try expectSymbol(")")
            return inner
        case .symbol where token.text == "[": return try parseList()
        case .symbol where token.text == "{": return try parseDictionary()
        default: throw unexpected("an expression")
        }
    }

    private func integer(_ token: Token) throws(TemplateError) -> Int {
        let digits = Array(token.text.utf8)
        let radix = digits.count > 1 ? PythonText.radix(ofPrefix: digits[1]) : nil
        guard let value = Int(radix == nil ? token.text : String(token.text.dropFirst(2)), radix: radix ?? 10) else {
            throw source.error(.unsupported, at: token.offset, "whole numbers beyond 64 bits are not supported")
        }
        return value
    }

    private mutating func parseList() throws(TemplateError) -> Expression {
        let offset = current.offset
        try expectSymbol("[")
        var elements: [Expression] = []
        while !isSymbol("]") {
            if !elements.isEmpty { try expectSymbol(",") }
            if isSymbol("]") { break }
            elements.append(try parseExpression())
        }
        try expectSymbol("]")
        return Expression(offset: offset, node: .list(elements))
    }

    private mutating func parseDictionary() throws(TemplateError) -> Expression {
        let offset = current.offset
        try expectSymbol("{")
        var members: [(key: Expression, value: Expression)] = []
        while !isSymbol("}") {
            if !members.isEmpty { try expectSymbol(",") }
            if isSymbol("}") { break }
            let key = try parseExpression()
            try expectSymbol(":")
            members.append((key, try parseExpression()))
        }
        try expectSymbol("}")
        return Expression(offset: offset, node: .dictionary(members))
    }

    /// Members, subscripts and calls.
    private mutating func parsePostfix(into parts: inout [Expression.Postfix]) throws(TemplateError) {
        while current.kind == .symbol {
            let offset = current.offset
            switch current.text {
            case ".":
                advance()
                let member = current
                advance()
                switch member.kind {
                case .name: parts.append(Expression.Postfix(offset: offset, node: .member(member.text)))
                case .integer:
                    let index = Expression(offset: member.offset, node: .constant(.integer(try integer(member))))
                    parts.append(Expression.Postfix(offset: offset, node: .subscripted(index)))
                default:
                    throw source.error(
                        .syntax, at: member.offset, "the name of a member is expected here, but there is \(member.shown)")
                }
            case "[": parts.append(Expression.Postfix(offset: offset, node: .subscripted(try parseSubscript())))
            case "(": parts.append(Expression.Postfix(offset: offset, node: .call(try parseArguments())))
            default: return
            }
        }
    }

    private mutating func parseSubscript() throws(TemplateError) -> Expression {
        let offset = current.offset
        try expectSymbol("[")
        var elements: [Expression] = []
        while !isSymbol("]") {
            if !elements.isEmpty { try expectSymbol(",") }
            elements.append(try parseSubscribed())
        }
        try expectSymbol("]")
        if elements.count == 1 { return elements[0] }
        for element in elements {
            if case .slice = element.node {
                throw source.error(.unsupported, at: element.offset, "slices beside other subscripts are not supported")
            }
        }
        return Expression(offset: offset, node: .tuple(elements))
    }

    private mutating func parseSubscribed() throws(TemplateError) -> Expression {
        let offset = current.offset
        var start: Expression?
        if !isSymbol(":") {
            let value = try parseExpression()
            guard isSymbol(":") else { return value }
            start = value
        }
        try expectSymbol(":")
        let stop = isSymbol(":") || isSymbol("]") || isSymbol(",") ? nil : try parseExpression()
        var step: Expression?
        if skipSymbol(":"), !isSymbol("]"), !isSymbol(",") { step = try parseExpression() }
        return Expression(offset: offset, node: .slice(start: start, stop: stop, step: step))
    }

    private mutating func parseArguments() throws(TemplateError) -> Expression.Arguments {
        let offset = current.offset
        var arguments = Expression.Arguments()
        func require(_ condition: Bool) throws(TemplateError) {
            guard condition else { throw source.error(.syntax, at: offset, "the arguments of this call are in an impossible order") }
        }
        try expectSymbol("(")
        var isFirst = true
        while !isSymbol(")") {
            if !isFirst {
                try expectSymbol(",")
                if isSymbol(")") { break }
            }
            isFirst = false
            if skipSymbol("*") {
                try require(arguments.list == nil && arguments.mapping == nil)
                arguments.list = try parseExpression()
            } else if skipSymbol("**") {
                try require(arguments.mapping == nil)
                arguments.mapping = try parseExpression()
            } else if current.kind == .name, next.kind == .symbol, next.text == "=" {
                try require(arguments.mapping == nil)
                let name = current
                try requireFew(arguments.keywords.count, at: name.offset)
                guard !arguments.keywords.contains(where: { $0.name == name.text }) else {
                    throw source.error(.syntax, at: name.offset, "argument '\(name.text)' stands here for the second time")
                }
                advance()
                advance()
                arguments.keywords.append((name.text, try parseExpression()))
            } else {
                try require(arguments.list == nil && arguments.mapping == nil && arguments.keywords.isEmpty)
                arguments.positional.append(try parseExpression())
            }
        }
        try expectSymbol(")")
        return arguments
    }

    // MARK: - Filters and tests

    /// `| name(arguments)` as often as it stands there; with `beginsInline` the first one has no `|`.
    mutating func parseFilters(beginsInline: Bool, stopsAfterOne: Bool = false) throws(TemplateError) -> [Expression.Postfix] {
        var filters: [Expression.Postfix] = []
        var isInline = beginsInline
        while isInline || isSymbol("|") {
            if !isInline { advance() }
            isInline = false
            let (name, offset) = try parseDottedName("the name of a filter")
            let arguments = isSymbol("(") ? try parseArguments() : Expression.Arguments()
            filters.append(Expression.Postfix(offset: offset, node: .filter(name, arguments)))
            if stopsAfterOne { break }
        }
        return filters
    }

    private mutating func parseDottedName(_ what: String) throws(TemplateError) -> (String, Int) {
        let first = try expectName(what)
        var name = first.text
        while skipSymbol(".") { name += "." + (try expectName(what)).text }
        return (name, first.offset)
    }

    private mutating func parseTest() throws(TemplateError) -> Expression.Postfix {
        advance()
        let isNegated = skipWord("not")
        let (name, offset) = try parseDottedName("the name of a test")
        var arguments = Expression.Arguments()
        let token = current
        if isSymbol("(") {
            arguments = try parseArguments()
        } else if [.name, .string, .integer, .float].contains(token.kind) || isSymbol("[") || isSymbol("{"),
            !(token.kind == .name && ["else", "or", "and"].contains(token.text))
        {
            guard !isWord("is") else { throw source.error(.syntax, at: token.offset, "tests cannot follow one another") }
            let operand = try parsePrimary()
            var parts: [Expression.Postfix] = []
            try parsePostfix(into: &parts)
            arguments.positional = [parts.isEmpty ? operand : Expression(offset: token.offset, node: .postfix(operand, parts))]
        }
        return Expression.Postfix(offset: offset, node: .test(name, arguments, isNegated: isNegated))
    }
}
