import JSONText
import Jinja
import Testing

/// Errors and their places, variables, preparation of messages.
@Suite struct TemplateTests {
    private func error(_ source: String, _ variables: [String: TemplateValue] = [:]) throws -> TemplateError {
        try #require(throws: TemplateError.self) { try Template(parsing: source).render(variables) }
    }

    static let refusals: [(String, TemplateError.Kind, String)] = [
        (
            "a\n {% include 'x' %}", .unsupported,
            "line 2, column 5: {% include %} is not supported: chat templates are single files of text"
        ),
        ("{% for x in [] recursive %}{% endfor %}", .unsupported, "line 1, column 16: recursive loops are not supported"),
        ("é{{ x | groupby('a') }}", .unsupported, "line 1, column 9: the filter 'groupby' is not supported"),
        ("{{ x | nofilter }}", .unsupported, "line 1, column 8: there is no filter 'nofilter'"),
        ("{{ x is notest }}", .unsupported, "line 1, column 9: there is no test 'notest'"),
        ("{% block a scoped %}{% endblock %}", .unsupported, "line 1, column 12: 'scoped' blocks are not supported"),
        ("{{ self.a() }}", .unsupported, "line 1, column 4: 'self' is not supported: chat templates inherit nothing"),
        ("{{ 99999999999999999999 }}", .unsupported, "line 1, column 4: whole numbers beyond 64 bits are not supported"),
        ("{{ '\\ud800' }}", .unsupported, "line 1, column 5: U+d800 is no character"),
        (
            "{% generation %}{% generation %}{% endgeneration %}{% endgeneration %}", .unsupported,
            "line 1, column 20: {% generation %} inside {% generation %} is not supported"
        ),
        ("{% if x %}\n{% for y in x %}", .syntax, "line 2, column 4: {% for %} is not closed: {% endfor %} or {% else %} is missing"),
        ("{% if x %}{% endfor %}", .syntax, "line 1, column 14: there is no statement 'endfor', while {% if %} is open"),
        ("{% foo %}", .syntax, "line 1, column 4: there is no statement 'foo'"),
        ("{{ a b }}", .syntax, "line 1, column 6: '}}' is expected here, but there is 'b'"),
        ("{{ (a }}", .syntax, "line 1, column 7: '}' closes nothing here"),
        ("{{ a ", .syntax, "line 1, column 1: the tag that begins here does not end"),
        ("x{# a ", .syntax, "line 1, column 2: the comment that begins here does not end"),
        ("{% raw %}x", .syntax, "line 1, column 1: the raw text that begins here has no {% endraw %}"),
        ("{{ 'a }}", .syntax, "line 1, column 4: the string that begins here does not end"),
        ("{{ a ? b }}", .syntax, "line 1, column 6: '?' has no meaning here"),
        ("{% set none = 1 %}", .syntax, "line 1, column 8: 'none' cannot be assigned to"),
        ("{% break %}", .syntax, "line 1, column 4: {% break %} stands outside of a loop"),
        ("{{ f(a=1, 2) }}", .syntax, "line 1, column 5: the arguments of this call are in an impossible order"),
        ("{{ f(a=1, a=2) }}", .syntax, "line 1, column 11: argument 'a' stands here for the second time"),
        ("\n\n{{ a.b }}", .undefined, "line 3, column 5: 'a' is undefined"),
        ("{{ {}.a.b }}", .undefined, "line 1, column 8: 'dict object' has no attribute 'a'"),
        ("{{ [][3].b }}", .undefined, "line 1, column 9: list object has no element 3"),
        ("{{ 'a' + 1 }}", .value, "line 1, column 8: can only concatenate str (not \"int\") to str"),
        ("{{ [].append(1) }}", .security, "line 1, column 6: access to attribute 'append' of 'list' object is unsafe."),
        ("{% if x %}{% else %}{{ raise_exception('no ' ~ 1) }}{% endif %}", .raised, "line 1, column 39: no 1"),
        ("{% macro f() %}\n{{ a.b }}{% endmacro %}{{ f() }}", .undefined, "line 2, column 5: 'a' is undefined"),
        ("{{ x | default(1) | map }}", .value, "line 1, column 21: 'int' object is not iterable"),
    ]

    @Test(arguments: refusals)
    func refusesWithThePlace(_ source: String, _ kind: TemplateError.Kind, _ message: String) throws {
        let error = try error(source)
        #expect(error.description == message)
        #expect(error.kind == kind)
        #expect(error.isRaisedByTemplate == (kind == .raised))
    }

    /// As in jinja2: such a template works as long as nothing unknown is reached.
    @Test func unknownFiltersInsideOfConditionsAreErrorsOnlyWhereTheyAreReached() throws {
        let template = try Template(parsing: "{% if x %}{{ x | from_json }}{% else %}{{ 1 if true else 2 | nofilter }}{% endif %}")
        #expect(try template.render([:]).text == "1")
        let error = try #require(throws: TemplateError.self) { try template.render(["x": .template("[]")]) }
        #expect(error.description == "line 1, column 18: there is no filter 'from_json'")
    }

    /// Python's numbers have no end; ours are passed on as they were written.
    @Test func passesHugeNumbersOn() throws {
        let number = try JSONValue(parsing: Array("[123456789012345678901234567890, 1e999, -0, 1E2, -0.0]".utf8))
        let template = try Template(parsing: "{{ n }}{{ n | tojson }}{{ n[0] == n[0] }}{{ n[0] is integer }}{{ n[0] }}")
        #expect(
            try template.render(["n": .data(number)]).text
                == "[123456789012345678901234567890, inf, 0, 100.0, -0.0][123456789012345678901234567890, Infinity, 0, 100.0, -0.0]TrueTrue123456789012345678901234567890"
        )
        let error = try error("{{ n[0] + 1 }}", ["n": .data(number)])
        #expect(error.description == "line 1, column 9: calculating with whole numbers beyond 64 bits is not supported")
    }

    @Test func aTemplateIsSharedByThreads() async throws {
        let template = try Template(
            parsing: "{% set ns = namespace(s='a') %}{% for i in range(50) %}{% set ns.s = ns.s ~ 'b' ~ n %}{% endfor %}{{ ns.s }}")
        try await withThrowingTaskGroup(of: (Int, String).self) { group in
            for number in 0..<8 { group.addTask { (number, try template.render(["n": .data(.integer(number))]).text) } }
            for try await (number, text) in group {
                #expect(text == "a" + String(repeating: "b\(number)", count: 50))
            }
        }
    }

    @Test func variablesAreWhatTheTemplateAsksFor() throws {
        let source = """
            {% set a = b %}{% macro f(c) %}{{ a }}{{ c }}{{ d }}{% endmacro %}{% for e in messages if g %}{{ e.h }}{{ loop.index }}{% endfor %}\
            {% if tools %}{% set t = 1 %}{% endif %}{{ t }}{{ raise_exception(range(i)) }}
            """
        #expect(Set(try Template(parsing: source).variables) == ["b", "d", "messages", "g", "tools", "t", "i"])
    }

    // MARK: - Limits

    @Test func limitsAreThoseThatWereGiven() throws {
        let template = try Template(parsing: "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(n) }}")
        let limits = TemplateLimits(callDepth: 5)
        #expect(try template.render(["n": .data(.integer(4))], limits: limits).text.isEmpty)
        let error = try #require(throws: TemplateError.self) { try template.render(["n": .data(.integer(5))], limits: limits) }
        #expect(error.description == "line 1, column 31: macros call each other more than 5 deep")
        let output = try #require(throws: TemplateError.self) {
            try Template(parsing: "abcd").render([:], limits: TemplateLimits(outputByteCount: 3))
        }
        #expect(output.message == "the template writes more than 3 bytes")
        let steps = try #require(throws: TemplateError.self) {
            try Template(parsing: "{% for a in range(9) %}{% endfor %}").render([:], limits: TemplateLimits(stepCount: 20))
        }
        #expect(steps.message == "the template takes more than 20 steps")
    }

    // MARK: - Clock

    @Test(arguments: [
        (2026, 1, 5, "Mon 005 Monday January"), (2024, 12, 31, "Tue 366 Tuesday December"), (2000, 2, 29, "Tue 060 Tuesday February"),
        (1999, 3, 1, "Mon 060 Monday March"),
    ])
    func clockKnowsTheCalendar(_ year: Int, _ month: Int, _ day: Int, _ expected: String) throws {
        let clock = try #require(TemplateClock(year: year, month: month, day: day))
        #expect(try Template(parsing: "{{ strftime_now('%a %j %A %B') }}").render([:], clock: clock).text == expected)
    }

    @Test func refusesDaysThatAreNot() {
        #expect(TemplateClock(year: 2025, month: 2, day: 29) == nil)
        #expect(TemplateClock(year: 2025, month: 13, day: 1) == nil)
        #expect(TemplateClock(year: 2025, month: 1, day: 1, hour: 24) == nil)
    }

    // MARK: - Messages

    @Test func preparesMessagesAsTransformersDoes() throws {
        let messages = try JSONValue(
            parsing: Array(
                """
                [{"role": "user", "content": "a", "name": null}, {"role": "assistant", "reasoning": "r", "content": null},
                 {"thinking": "t", "role": "assistant"}, {"role": "assistant", "thinking": "t", "reasoning_content": "r"}, "x"]
                """.utf8))
        #expect(
            ChatMessages.prepared(messages).text(.python) == """
                [{"role": "user", "content": "a"}, \
                {"thinking": "r", "role": "assistant", "reasoning": "r", "reasoning_content": "r"}, \
                {"thinking": "t", "role": "assistant", "reasoning_content": "t"}, \
                {"thinking": "t", "role": "assistant", "reasoning_content": "r"}, "x"]
                """)
        #expect(ChatMessages.prepared(.null) == .null)
    }
}
