import JSONText
import Jinja

extension Reader {
    /// A template, NUL, the JSON of a list of messages.
    ///
    /// Whatever a template does, it ends within its limits, does the same each time, and never makes the caller's text its own.
    static let jinja = Reader(
        "jinja",
        words: [
            "{{ ", " }}", "{% ", " %}", "{#", "#}", "{%- ", " -%}", "+%}", "{% endfor %}", "{% endif %}", "{% endset %}", "{% endmacro %}",
            "{% for m in messages %}", "{% if loop.first %}", "{% else %}", "{% elif u %}", "{% set x = u %}", "{% set x %}",
            "{% set ns = namespace(a=u) %}", "{% set ns.a = ns.a ~ u %}", "{% macro f(a, b=u) %}", "{{ f(u) }}", "{% call f(1) %}",
            "{{ caller() }}", "{% generation %}", "{% endgeneration %}", "{% raw %}", "{% endraw %}", "{% break %}", "{% continue %}",
            "{% filter upper %}", "{% with a = u %}", "{% block b %}", "m.content", "m['role']", "loop.last", "loop.nextitem",
            "loop.length", "loop.changed(u)", " if m", " if u else ", " is defined", " is not none", " in ", " not in ", " ~ ", " ** ",
            " // ", "[::-1]", "[1:]", "[:-1]", "|trim", "|tojson", "|tojson(indent=2)", "|length", "|join(u)", "|map('upper')",
            "|selectattr('role', 'eq', 'user')", "|list", "|sort", "|unique", "|dictsort", "|items", "|replace(u, 'b')", "|indent(2)",
            "|safe", "|e", "|title", "|truncate(5)", "|batch(2)", "|slice(2)", "|reverse", "|round", "|int", "|sum(start=u)",
            ".split(u)", ".rsplit(u, 1)", ".strip()", ".format(u)", ".replace(u, u)", ".partition(u)", ".items()", ".get(u)",
            ".splitlines()", ".center(9, u)", ".zfill(5)", ".find(u)", "'%s' % u", "'%5.1f' % 1", "range(9)", "dict(a=u)",
            "raise_exception(u)", "strftime_now('%Y')", "(*range(3))", "(**{'a': u})", "9223372036854775807", "\\u00e9", "\\",
        ],
        seeds: { samples in
            let conversation = """
                [{"role":"system","content":" s "},{"role":"user","content":"é\\n"},{"role":"assistant","content":"","tool_calls":[{"f":{"a":1}}]}]
                """
            let tail = [0] + Array(conversation.utf8)
            let own = [
                "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content | trim ~ u }}{% endfor %}",
                "{% macro f(n) %}{% if n %}({{ f(n - 1) }}){% endif %}{% endmacro %}{{ f(5) ~ u | tojson }}",
            ]
            let document = samples.file("Tests/Fixtures/jinja/cases.json", byteCountLimit: 64 << 10).first
            let cases = document.flatMap { try? JSONValue(parsing: $0) }?["cases"]?.array ?? []
            return (own + cases.compactMap { $0["source"]?.string }).map { Array($0.utf8) + tail }
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            guard let source = String(validating: input.text(), as: UTF8.self) else { return }
            let messages = (try? JSONValue(parsing: input.rest())) ?? .array([])
            do throws(TemplateError) {
                let template = try Template(parsing: source)
                _ = template.hasGenerationBlocks
                let first = try Self.render(template, messages)
                require(try Self.render(template, messages) == first, "the same variables give the same text")
                Self.check(first, source: source)
            } catch {
                tell(error)
                require(error.line > 0 && error.column > 0, "an error has a place")
            }
        })

    private static func render(_ template: Template, _ messages: JSONValue) throws(TemplateError) -> RenderedTemplate {
        let limits = TemplateLimits(stepCount: 30_000, byteCount: 1 << 20, outputByteCount: 1 << 18)
        guard let clock = TemplateClock(year: 2026, month: 1, day: 5) else { fatalError("a day is missing") }
        let variables: [String: TemplateValue] = [
            "messages": .messages(ChatMessages.prepared(messages)), "u": .data(.string(secret)), "tools": .data(.null),
            "bos_token": .template("<s>"),
        ]
        return try template.render(variables, limits: limits, clock: clock)
    }

    /// A character that nobody writes but the caller.
    private static let secret = "\u{1f512}"

    private static func check(_ rendered: RenderedTemplate, source: String) {
        let text = rendered.text
        let scalarCount = text.unicodeScalars.count
        var end = 0
        for span in rendered.generationSpans {
            require(span.lowerBound >= end && !span.isEmpty, "spans follow one another")
            end = span.upperBound
        }
        require(end <= scalarCount, "spans lie in the text")
        require(rendered.runs.allSatisfy { !$0.text.isEmpty }, "no run is empty")
        // A template may make any character from its number.
        let canMakeIt = source.contains(secret) || source.contains("\\U") || source.contains("c")
        guard !canMakeIt else { return }
        for run in rendered.runs where run.isFromTemplate {
            require(!run.text.unicodeScalars.contains("\u{1f512}"), "what the caller gave is not the template's")
        }
    }
}
