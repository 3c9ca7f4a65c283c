/// A Jinja template as chat templates use the language: parsed once, rendered with any variables.
///
///     let template = try Template(parsing: text)
///     let prompt = try template.render(["messages": .messages(messages), "bos_token": .template("<s>")])
///     for run in prompt.runs { ... }
///
/// It renders as jinja2 3.1 does in the environment that transformers gives to chat templates, without running anything of the
/// template's choice: what it may cost is bounded by `TemplateLimits`. `formats/chat-templates.md` says what is supported.
package struct Template: Sendable {
    private let program: Program

    /// - Throws: what is wrong with the template, or not supported, with its place.
    package init(parsing text: String) throws(TemplateError) {
        guard text.utf8.count <= TemplateLimits.templateByteCount else {
            throw TemplateError(
                kind: .limit, line: 1, column: 1,
                message: "the template has \(text.utf8.count) bytes; \(TemplateLimits.templateByteCount) are the most that is read")
        }
        program = try Compiler.program(of: SourceText(text))
    }

    /// Renders the template.
    ///
    /// - Parameters:
    ///   - variables: what the template's names mean; others are undefined.
    ///   - clock: the time that `strftime_now` tells.
    /// - Throws: what went wrong, with its place in the template; `isRaisedByTemplate` where the template itself refuses.
    package func render(
        _ variables: [String: TemplateValue], limits: TemplateLimits = TemplateLimits(), clock: TemplateClock = .now
    ) throws(TemplateError) -> RenderedTemplate {
        let budget = Budget(limits)
        var values: [String: Value] = [:]
        do throws(Fault) {
            for (name, variable) in variables { values[name] = try variable.value(budget) }
        } catch {
            throw TemplateError(kind: error.kind, line: 1, column: 1, message: "the variables: \(error.message)")
        }
        let machine = Machine(program, variables: values, limits: limits, budget: budget, clock: clock)
        return RenderedTemplate(try machine.render())
    }

    /// The names that the template asks its caller for, in the order in which they come; functions that every template has
    /// are left out.
    package var variables: [String] {
        var variables: [String] = []
        var seen: Set<String> = []
        for routine in program.routines {
            for case .resolve(_, let name) in routine.code {
                let text = program.names[Int(name)].text
                if GlobalFunction(rawValue: text) == nil, seen.insert(text).inserted { variables.append(text) }
            }
        }
        return variables
    }

    /// Whether the template marks what an assistant says: `{% generation %}`.
    package var hasGenerationBlocks: Bool {
        program.routines.contains { routine in
            routine.code.contains { if case .beginGeneration = $0 { true } else { false } }
        }
    }
}
