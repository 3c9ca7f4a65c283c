/// Builds statements from tokens; jinja2's grammar with the extensions of chat templates.
///
/// Everything that nests is counted, so that a template cannot exhaust the stack: neither here nor where the tree is
/// walked or freed.
struct Parser {
    let source: SourceText
    private let tokens: [Token]
    private var index = 0
    private var depth = 0
    /// The statements around the current one, to say what is not closed.
    private var openTags: [(name: String, offset: Int)] = []
    /// Loops around the current statement inside the same macro: `break` needs one.
    private var loopDepth = 0
    private var isInGeneration = false
    private var blockNames: Set<String> = []

    static func statements(of source: SourceText) throws(TemplateError) -> [Statement] {
        var parser = Parser(source: source, tokens: try Lexer.tokens(of: source))
        let statements = try parser.parseBody(endingAt: [])
        return statements
    }

    private init(source: SourceText, tokens: [Token]) {
        self.source = source
        self.tokens = tokens
    }

    // MARK: - Tokens

    var current: Token { tokens[index] }
    var next: Token { tokens[min(index + 1, tokens.count - 1)] }

    mutating func advance() { index = min(index + 1, tokens.count - 1) }

    func isSymbol(_ text: String) -> Bool { current.kind == .symbol && current.text == text }

    func isWord(_ text: String) -> Bool { current.kind == .name && current.text == text }

    mutating func skipSymbol(_ text: String) -> Bool {
        guard isSymbol(text) else { return false }
        advance()
        return true
    }

    mutating func skipWord(_ text: String) -> Bool {
        guard isWord(text) else { return false }
        advance()
        return true
    }

    mutating func expectSymbol(_ text: String) throws(TemplateError) {
        guard skipSymbol(text) else { throw unexpected("'\(text)'") }
    }

    mutating func expectName(_ what: String) throws(TemplateError) -> Token {
        guard current.kind == .name else { throw unexpected(what) }
        defer { advance() }
        return current
    }

    func unexpected(_ expected: String) -> TemplateError {
        source.error(.syntax, at: current.offset, "\(expected) is expected here, but there is \(current.shown)")
    }

    mutating func descend() throws(TemplateError) {
        depth += 1
        guard depth <= TemplateLimits.syntaxDepth else {
            throw source.error(.limit, at: current.offset, "the template is nested more than \(TemplateLimits.syntaxDepth) deep here")
        }
    }

    mutating func ascend() { depth -= 1 }

    // MARK: - Statements

    /// Statements up to one of the tags `ends`, whose name is the current token then; up to the end without any.
    private mutating func parseBody(endingAt ends: [String]) throws(TemplateError) -> [Statement] {
        try descend()
        defer { ascend() }
        var body: [Statement] = []
        while true {
            let token = current
            switch token.kind {
            case .text:
                body.append(Statement(offset: token.offset, node: .text(token.text)))
                advance()
            case .outputBegin:
                advance()
                let value = try parseTuple()
                body.append(Statement(offset: token.offset, node: .output(value)))
                guard current.kind == .outputEnd else { throw unexpected("'}}'") }
                advance()
            case .blockBegin:
                advance()
                if current.kind == .name, ends.contains(current.text) { return body }
                body += try parseStatement()
                guard current.kind == .blockEnd else { throw unexpected("'%}'") }
                advance()
            default:
                guard let open = openTags.last else { return body }
                throw source.error(.syntax, at: open.offset, "{% \(open.name) %} is not closed: \(Self.list(ends)) is missing")
            }
        }
    }

    private static func list(_ tags: [String]) -> String { tags.map { "{% \($0) %}" }.joined(separator: " or ") }

    /// The rest of an opening tag, then the body up to one of `ends`.
    private mutating func parseBlock(endingAt ends: [String]) throws(TemplateError) -> [Statement] {
        _ = skipSymbol(":")
        guard current.kind == .blockEnd else { throw unexpected("'%}'") }
        advance()
        return try parseBody(endingAt: ends)
    }

    private mutating func parseStatement() throws(TemplateError) -> [Statement] {
        // Counted twice with the body around it, as it takes twice the place on the stack.
        try descend()
        defer { ascend() }
        let token = try expectName("the name of a statement")
        openTags.append((token.text, token.offset))
        defer { openTags.removeLast() }
        let node: Statement.Node
        switch token.text {
        case "for": node = .loop(try parseLoop())
        case "if": node = try parseCondition()
        case "set": node = try parseSet()
        case "macro":
            let name = try expectName("the name of the macro").text
            node = .macro(name, try parseRoutine(parameters: try parseParameters(), endingAt: "endmacro"))
        case "call": node = try parseCallBlock()
        case "filter":
            let filters = try parseFilters(beginsInline: true)
            node = .filterBlock(filters, try parseClosed(endingAt: "endfilter"))
        case "with": node = try parseWith()
        case "block": node = try parseNamedBlock()
        case "generation": node = try parseGeneration(token)
        case "print": return try parsePrint(token)
        case "break", "continue":
            guard loopDepth > 0 else { throw source.error(.syntax, at: token.offset, "{% \(token.text) %} stands outside of a loop") }
            node = token.text == "break" ? .breakLoop : .continueLoop
        case "include", "import", "from", "extends", "autoescape":
            throw source.error(
                .unsupported, at: token.offset, "{% \(token.text) %} is not supported: chat templates are single files of text")
        default: throw unknownTag(token)
        }
        return [Statement(offset: token.offset, node: node)]
    }

    private func unknownTag(_ token: Token) -> TemplateError {
        let open = openTags.dropLast().last
        let context = open.map { ", while {% \($0.name) %} is open" } ?? ""
        return source.error(.syntax, at: token.offset, "there is no statement '\(token.text)'\(context)")
    }

    /// A body that one tag closes; behind it afterwards.
    private mutating func parseClosed(endingAt end: String) throws(TemplateError) -> [Statement] {
        let body = try parseBlock(endingAt: [end])
        advance()
        return body
    }

    private mutating func parseLoop() throws(TemplateError) -> Statement.Loop {
        let target = try parseTarget(allowsMembers: false)
        guard skipWord("in") else { throw unexpected("'in'") }
        let iterated = try parseTuple(allowsConditions: false, endsBefore: "recursive")
        let filter = skipWord("if") ? try parseExpression() : nil
        if isWord("recursive") {
            throw source.error(.unsupported, at: current.offset, "recursive loops are not supported")
        }
        loopDepth += 1
        let body = try parseBlock(endingAt: ["endfor", "else"])
        loopDepth -= 1
        let hasElse = current.text == "else"
        advance()
        let otherwise = hasElse ? try parseClosed(endingAt: "endfor") : []
        return Statement.Loop(target: target, iterated: iterated, filter: filter, body: body, otherwise: otherwise)
    }

    private mutating func parseCondition() throws(TemplateError) -> Statement.Node {
        var branches: [(Expression, [Statement])] = []
        while true {
            let condition = try parseTuple(allowsConditions: false)
            let body = try parseBlock(endingAt: ["elif", "else", "endif"])
            branches.append((condition, body))
            let end = current.text
            advance()
            switch end {
            case "elif": continue
            case "else": return .condition(branches, otherwise: try parseClosed(endingAt: "endif"))
            default: return .condition(branches, otherwise: [])
            }
        }
    }

    private mutating func parseSet() throws(TemplateError) -> Statement.Node {
        let target = try parseTarget(allowsMembers: true)
        if skipSymbol("=") { return .set(target, try parseTuple()) }
        let filters = try parseFilters(beginsInline: false)
        return .setBlock(target, filters: filters, try parseClosed(endingAt: "endset"))
    }

    private mutating func parseParameters() throws(TemplateError) -> [(name: String, initial: Expression?)] {
        var parameters: [(name: String, initial: Expression?)] = []
        try expectSymbol("(")
        while !isSymbol(")") {
            if !parameters.isEmpty { try expectSymbol(",") }
            let name = try expectName("the name of a parameter")
            guard !parameters.contains(where: { $0.name == name.text }) else {
                throw source.error(.syntax, at: name.offset, "parameter '\(name.text)' stands here for the second time")
            }
            try requireFew(parameters.count, at: name.offset)
            let initial = skipSymbol("=") ? try parseExpression() : nil
            guard initial != nil || parameters.last?.initial == nil else {
                throw source.error(.syntax, at: name.offset, "a parameter without a default follows one with a default")
            }
            parameters.append((name.text, initial))
        }
        try expectSymbol(")")
        return parameters
    }

    /// Names are looked for one after the other.
    func requireFew(_ count: Int, at offset: Int) throws(TemplateError) {
        guard count < TemplateLimits.parameterCount else {
            throw source.error(.limit, at: offset, "more than \(TemplateLimits.parameterCount) names of parameters or arguments stand here")
        }
    }

    private mutating func parseRoutine(
        parameters: [(name: String, initial: Expression?)], endingAt end: String
    ) throws(TemplateError) -> Statement.Routine {
        let outerDepth = loopDepth
        loopDepth = 0
        defer { loopDepth = outerDepth }
        return Statement.Routine(parameters: parameters, body: try parseClosed(endingAt: end))
    }

    private mutating func parseCallBlock() throws(TemplateError) -> Statement.Node {
        let parameters = isSymbol("(") ? try parseParameters() : []
        let call = try parseExpression()
        guard case .postfix(_, let parts) = call.node, case .call = parts.last?.node else {
            throw source.error(.syntax, at: call.offset, "a call is expected here")
        }
        return .callBlock(call, try parseRoutine(parameters: parameters, endingAt: "endcall"))
    }

    private mutating func parseWith() throws(TemplateError) -> Statement.Node {
        var values: [(Statement.Target, Expression)] = []
        while current.kind != .blockEnd, !isSymbol(":") {
            if !values.isEmpty { try expectSymbol(",") }
            let target = try parseTarget(allowsMembers: false, allowsTuple: false)
            try expectSymbol("=")
            values.append((target, try parseExpression()))
        }
        return .with(values, try parseClosed(endingAt: "endwith"))
    }

    private mutating func parseNamedBlock() throws(TemplateError) -> Statement.Node {
        let name = try expectName("the name of the block")
        guard blockNames.insert(name.text).inserted else {
            throw source.error(.syntax, at: name.offset, "block '\(name.text)' stands here for the second time")
        }
        if isWord("scoped") || isWord("required") {
            throw source.error(.unsupported, at: current.offset, "'\(current.text)' blocks are not supported")
        }
        let outerDepth = loopDepth
        loopDepth = 0
        let body = try parseClosed(endingAt: "endblock")
        loopDepth = outerDepth
        _ = skipWord(name.text)
        return .block(name.text, body)
    }

    private mutating func parseGeneration(_ token: Token) throws(TemplateError) -> Statement.Node {
        guard !isInGeneration else {
            throw source.error(.unsupported, at: token.offset, "{% generation %} inside {% generation %} is not supported")
        }
        isInGeneration = true
        let outerDepth = loopDepth
        loopDepth = 0
        let body = try parseClosed(endingAt: "endgeneration")
        loopDepth = outerDepth
        isInGeneration = false
        return .generation(body)
    }

    private mutating func parsePrint(_ token: Token) throws(TemplateError) -> [Statement] {
        var statements: [Statement] = []
        while current.kind != .blockEnd {
            if !statements.isEmpty { try expectSymbol(",") }
            statements.append(Statement(offset: token.offset, node: .output(try parseExpression())))
        }
        return statements
    }

    // MARK: - Targets

    private mutating func parseTarget(allowsMembers: Bool, allowsTuple: Bool = true) throws(TemplateError) -> Statement.Target {
        let offset = current.offset
        let first = try parseSingleTarget(allowsMembers: allowsMembers)
        guard allowsTuple, isSymbol(",") else { return first }
        var targets = [first]
        while skipSymbol(",") {
            if isWord("in") || isSymbol("=") || isSymbol(")") || current.kind == .blockEnd { break }
            targets.append(try parseSingleTarget(allowsMembers: allowsMembers))
        }
        return Statement.Target(offset: offset, node: .tuple(targets))
    }

    private mutating func parseSingleTarget(allowsMembers: Bool) throws(TemplateError) -> Statement.Target {
        try descend()
        defer { ascend() }
        let token = current
        if skipSymbol("(") {
            if skipSymbol(")") { return Statement.Target(offset: token.offset, node: .tuple([])) }
            let inner = try parseTarget(allowsMembers: false)
            try expectSymbol(")")
            return inner
        }
        _ = try expectName("a name to assign to")
        guard !["true", "false", "none", "True", "False", "None"].contains(token.text) else {
            throw source.error(.syntax, at: token.offset, "'\(token.text)' cannot be assigned to")
        }
        if allowsMembers, skipSymbol(".") {
            return Statement.Target(offset: token.offset, node: .member(token.text, try expectName("the name of a member").text))
        }
        return Statement.Target(offset: token.offset, node: .name(token.text))
    }
}
