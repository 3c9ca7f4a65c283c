import JSONText
import Jinja
import Testing

/// Templates that mean harm end with an error, soon, and without a crash.
@Suite struct HostileTemplateTests {
    struct Bomb: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let source: String
        let kind: TemplateError.Kind

        init(_ name: String, _ source: String, _ kind: TemplateError.Kind = .limit) {
            testDescription = name
            self.source = source
            self.kind = kind
        }
    }

    /// Small, so that each ends within a moment also in a debug build.
    static let limits = TemplateLimits(stepCount: 60_000, byteCount: 2 << 20, outputByteCount: 1 << 18)

    static let loops: [Bomb] = [
        Bomb("nested loops", "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"),
        Bomb(
            "output in nested loops", "{% for a in range(1000) %}{% for b in range(1000) %}xxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}"
        ),
        Bomb("a huge range", "{% for a in range(10 ** 18) %}{% endfor %}"),
        Bomb("a range of all numbers", "{{ range(-9223372036854775807, 9223372036854775807) }}"),
        Bomb("a range of huge steps", "{{ range(0, -9223372036854775807 - 1, -1) }}"),
        Bomb("loops with loop", "{% for a in range(100000) %}{% for b in range(3) %}{{ loop.last }}{% endfor %}{% endfor %}"),
        Bomb("filtered loops", "{% for a in range(100000) if false %}{% endfor %}{% for a in range(100000) if false %}{% endfor %}"),
        Bomb("the length of a filtered loop", "{% for a in range(100000) if a >= 0 %}{{ loop.length }}{% endfor %}"),
        Bomb("macros that call themselves", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
        Bomb("macros that call each other", "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}"),
        Bomb(
            "macros that call themselves twice",
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(100) }}"),
        Bomb("macros that write what they call", "{% macro f(n) %}x{{ f(n - 1) if n }}{{ f(n - 1) if n }}{% endmacro %}{{ f(30) }}"),
        Bomb(
            "callers that call",
            "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{% call f() %}x{% endcall %}"),
        Bomb("closures", "{% for a in range(100000) %}{% macro m() %}{% endmacro %}{% endfor %}"),
        Bomb(
            "many arguments",
            "{% macro f() %}{{ varargs | length }}{% endmacro %}{% for a in range(1000) %}{{ f(*range(100000)) }}{% endfor %}"),
    ]

    static let texts: [Bomb] = [
        Bomb("doubling", "{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"),
        Bomb("doubling with +", "{% set ns = namespace(s='xxxxxxxx') %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"),
        Bomb("putting in front", "{% set ns = namespace(s='') %}{% for a in range(100000) %}{% set ns.s = 'xxxx' ~ ns.s %}{% endfor %}"),
        Bomb(
            "captures of captures",
            "{% set ns = namespace(s='xx') %}{% for a in range(99) %}{% set s %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = s %}{% endfor %}"
        ),
        Bomb("repetition", "{{ 'a' * 9999999999 }}"),
        Bomb("repetition that overflows", "{{ 'ab' * 9223372036854775807 }}"),
        Bomb("repeated lists", "{{ [1, 2, 3] * 9223372036854775807 }}"),
        Bomb("center", "{{ 'a' | center(9999999999) }}"),
        Bomb("ljust", "{{ 'a'.ljust(9223372036854775807) }}"),
        Bomb("zfill", "{{ 'a'.zfill(9223372036854775807) }}"),
        Bomb("expandtabs", "{{ '\\t'.expandtabs(9223372036854775807) }}"),
        Bomb("a wide field", "{{ '%999999999d' % 1 }}"),
        Bomb("a field that is too wide for numbers", "{{ '%99999999999999999999999d' % 1 }}"),
        Bomb("a width as an argument", "{{ '%*d' % (4000000000, 1) }}"),
        Bomb("a wide field in braces", "{{ '{:>4000000000}'.format(1) }}"),
        Bomb("many digits", "{{ '%.99999f' % 1.5 }}"),
        Bomb("many digits of whole numbers", "{{ '%.4000000000d' % 1 }}"),
        Bomb("indentation", "{{ 'a\\nb' | indent(9999999999) }}"),
        Bomb("indentation of JSON", "{{ [[[1]]] | tojson(indent=9999999999) }}"),
        Bomb("separators of JSON", "{% set s = 'x' * 100000 %}{{ range(1000) | list | tojson(separators=(s, s)) }}"),
        Bomb("replacing", "{% set s = 'a' * 100000 %}{{ s | replace('a', s) }}"),
        Bomb("replacing nothing", "{% set s = 'a' * 100000 %}{{ s.replace('', s) }}"),
        Bomb("joining", "{% set s = 'a' * 100000 %}{{ range(1000) | join(s) }}"),
        Bomb("printing lists of long texts", "{% set s = 'a' * 100000 %}{{ [s] * 1000 }}"),
        Bomb("quoting", "{% set ns = namespace(s='\\\\') %}{% for a in range(99) %}{% set ns.s = ns.s | tojson %}{% endfor %}"),
        Bomb("a time that is wide", "{{ strftime_now('%9999999999Y') }}", .value),
    ]

    static let work: [Bomb] = [
        Bomb("searching", "{% set s = 'a' * 100000 %}{% set p = 'a' * 1000 ~ 'b' %}{% for a in range(100000) %}{{ p in s }}{% endfor %}"),
        Bomb(
            "searching from behind",
            "{% set s = 'a' * 100000 %}{% set p = 'b' ~ 'a' * 1000 %}{% for a in range(100000) %}{{ s.rfind(p) }}{% endfor %}"),
        Bomb(
            "splitting from behind",
            "{% set s = 'a' * 100000 %}{% set p = 'a' * 1000 %}{% for a in range(100000) %}{{ s.rsplit(p) | length }}{% endfor %}"),
        Bomb("positions in text that is not ASCII", "{% set s = 'é' * 100000 %}{% for a in range(100000) %}{{ s[a] }}{% endfor %}"),
        Bomb("slices with steps", "{% set s = 'a' * 100000 %}{% for a in range(100000) %}{{ s[::-1] | length }}{% endfor %}"),
        Bomb("growing lists", "{% set ns = namespace(l=[]) %}{% for a in range(100000) %}{% set ns.l = ns.l + [a] %}{% endfor %}"),
        Bomb("sums of lists", "{{ ([[1] * 1000] * 1000) | sum(start=[]) }}"),
        Bomb("looking through lists", "{% set l = range(100000) | list %}{% for a in l %}{{ -1 in l }}{% endfor %}"),
        Bomb("comparing long texts", "{% set s = 'a' * 100000 %}{% set t = 'a' * 100000 %}{{ (([s, t] * 10000) | sort) | length }}"),
        Bomb("sorting", "{% for a in range(1000) %}{{ range(100000) | sort(reverse=true) | length }}{% endfor %}"),
        Bomb("unique", "{% set s = 'a' * 100000 %}{{ ([s] * 10000) | unique | list | length }}"),
        Bomb("dictsort", "{% for a in range(1000) %}{{ dict(range(20000) | map('string') | batch(2)) | dictsort | length }}{% endfor %}"),
        Bomb("batches", "{{ [1] | batch(9223372036854775807, 0) | list }}"),
        Bomb("slices", "{{ [1] | slice(9223372036854775807) | list }}"),
        Bomb(
            "members of namespaces",
            "{% set ns = namespace(dict(range(20000) | map('string') | batch(2))) %}{% for a in range(100000) %}{{ ns.x }}{% endfor %}"),
        Bomb("mapping", "{% set s = 'a' * 100000 %}{{ ([s] * 10000) | map('upper') | list | length }}"),
        Bomb("stripping", "{% set s = ' ' * 100000 %}{% for a in range(100000) %}{{ s.strip() }}{% endfor %}"),
        Bomb("stripping many characters", "{% set s = 'a' * 100000 %}{% for a in range(100000) %}{{ s.strip(s) }}{% endfor %}"),
    ]

    static let values: [Bomb] = [
        Bomb("lists inside lists", "{% set ns = namespace(l=[]) %}{% for a in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}"),
        Bomb(
            "tuples inside mappings", "{% set ns = namespace(l=1) %}{% for a in range(100000) %}{% set ns.l = {'a': (ns.l,)} %}{% endfor %}"
        ),
        Bomb(
            "methods of methods", "{% set ns = namespace(l={}) %}{% for a in range(100000) %}{% set ns.l = {'a': ns.l.get} %}{% endfor %}"),
        Bomb(
            "iterators inside iterators",
            "{% set ns = namespace(l=[1]) %}{% for a in range(100000) %}{% set ns.l = [ns.l] | map('list') %}{% endfor %}"),
        Bomb(
            "keys inside keys",
            "{% set ns = namespace(l=1) %}{% for a in range(100000) %}{% set ns.l = (ns.l,) %}{% endfor %}{{ {ns.l: 1} }}"),
        Bomb("printing a namespace that holds itself", "{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}"),
        Bomb("printing what doubles", doubled + "{{ ns.l }}"),
        Bomb("JSON of what doubles", doubled + "{{ ns.l | tojson }}"),
        Bomb("comparing what doubles", doubled + doubledToo + "{{ ns.l == other.l }}"),
        Bomb("ordering what doubles", doubled + doubledToo + "{{ ns.l < other.l }}"),
        Bomb(
            "keys that double",
            "{% set ns = namespace(l=(1,)) %}{% for a in range(60) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}"
                + "{{ [ns.l] | unique | list | length }}"),
        Bomb("huge numbers", "{{ 9 ** 9 ** 9 }}", .unsupported),
        Bomb("powers", "{{ 2 ** 9223372036854775807 }}", .unsupported),
        Bomb("digits", "{{ ('9' * 100000) | int }}", .unsupported),
        Bomb("the least number", "{{ (-9223372036854775807 - 1) // -1 }}", .unsupported),
        Bomb("less than the least number", "{{ -(-9223372036854775807 - 1) }}", .unsupported),
        Bomb("a member that would be everything", "{{ ''.__class__.__mro__[1].__subclasses__() }}", .security),
        Bomb("a member by name", "{{ ''['__class__']['__mro__'] }}", .security),
        Bomb("a member in a format", "{{ '{0.__class__.__init__}'.format(1) }}", .security),
        Bomb("a member by a filter", "{{ ([] | attr('__class__'))() }}", .security),
        Bomb("a member of a namespace", "{% set ns = namespace() %}{% set ns.__class__ = 1 %}", .security),
        Bomb("a member of a new namespace", "{{ namespace(**{'__class__': 1}) }}", .security),
        Bomb("changing a list", "{{ [1].append(2) }}", .security),
    ]

    private static let doubled = "{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}"
    private static let doubledToo =
        "{% set other = namespace(l=[1]) %}{% for a in range(60) %}{% set other.l = [other.l, other.l] %}{% endfor %}"

    @Test(arguments: loops + texts + work + values)
    func endsWithAnError(_ bomb: Bomb) throws {
        let template = try Template(parsing: bomb.source)
        let seconds = ThreadTime.seconds {
            do throws(TemplateError) {
                let result = try template.render([:], limits: Self.limits)
                Issue.record("\(bomb.testDescription) gives \(result.text.utf8.count) bytes")
            } catch {
                #expect(error.kind == bomb.kind, "\(bomb.testDescription): \(error)")
            }
        }
        #expect(seconds < 5, "\(bomb.testDescription)")
    }

    /// Building a text piece by piece costs what the text costs, in whatever way it is built.
    @Test(arguments: [
        "{% for a in range(5000) %}{% set ns.s = ns.s ~ 'xxxx' %}{% endfor %}",
        "{% for a in range(5000) %}{% set ns.s = ns.s + 'xxxx' %}{% endfor %}",
        "{% for a in range(5000) %}{% set ns.s = (ns.s ~ 'xxx') ~ ns.s[0] %}{% endfor %}",
        "{% for a in range(5000) %}{% set ns.s = ns.s ~ 'é' ~ a %}{% endfor %}",
    ])
    func appendsInPlace(_ source: String) throws {
        let limits = TemplateLimits(stepCount: 150_000, byteCount: 1 << 20)
        let text = try Template(parsing: "{% set ns = namespace(s='y') %}\(source){{ ns.s }}").render([:], limits: limits).text
        #expect(text.utf8.count > 20_000)
    }

    // MARK: - Nesting

    private static func nested(_ count: Int, _ open: String, _ inside: String, _ close: String) -> String {
        String(repeating: open, count: count) + inside + String(repeating: close, count: count)
    }

    static let nests: [(name: String, open: String, inside: String, close: String)] = [
        ("parentheses", "(", "1", ")"), ("lists", "[", "1", "]"), ("mappings", "{'a':", "1", "}"), ("negations", "not ", "1", ""),
        ("signs", "-", "1", ""), ("signs with powers", "-1**(", "1", ")"), ("conditions", "1 if ", "1", " else 1"),
        ("conditions without else", "", "1", " if 1"), ("calls", "range(", "1", ")"), ("filters", "1|default(", "1", ")"),
        ("tests", "1 is eq(", "1", ")"), ("subscripts", "[1][", "0", "]"), ("sums", "1+(", "1", ")"), ("concatenations", "1~(", "1", ")"),
        ("everything", "1 or 1 and not 1 in 1 + 1 ~ 1 * 1 ** (", "1", ")"), ("otherwise", "1 if 0 else (", "1", ")"),
    ]

    static let statementNests: [(name: String, open: String, inside: String, close: String)] = [
        ("conditions", "{% if 1 %}", "", "{% endif %}"), ("loops", "{% for a in [1] %}", "{{ loop.index }}", "{% endfor %}"),
        ("macros", "{% macro f() %}", "", "{% endmacro %}"), ("filters", "{% filter upper %}", "", "{% endfilter %}"),
        ("captures", "{% set a %}", "", "{% endset %}"), ("scopes", "{% with a = 1 %}", "", "{% endwith %}"),
        ("calls", "{% call f() %}", "", "{% endcall %}"),
    ]

    /// On a thread with a small stack: what is refused is refused in time, and what is accepted can be run and freed.
    @Test(arguments: nests.map(\.name))
    func nestingOfExpressionsIsRefusedBeforeTheStackEnds(_ name: String) throws {
        let nest = try #require(Self.nests.first { $0.name == name })
        check(nest) { "{{ \($0) }}" }
    }

    @Test(arguments: statementNests.map(\.name))
    func nestingOfStatementsIsRefusedBeforeTheStackEnds(_ name: String) throws {
        let nest = try #require(Self.statementNests.first { $0.name == name })
        check(nest) { $0 }
    }

    @Test func nestingOfTargetsIsRefusedBeforeTheStackEnds() { check(("targets", "(", "a", ")")) { "{% set \($0) = 1 %}" } }

    private func check(_ nest: (name: String, open: String, inside: String, close: String), _ whole: (String) -> String) {
        for count in [8, 16, 24, 32, 48, 64, 96, 128, 5000] {
            let source = whole(Self.nested(count, nest.open, nest.inside, nest.close))
            let error = SmallStack.run { Self.error(of: source) }
            if count <= 8 { #expect(error??.kind != .limit, "\(count): \(String(describing: error))") }
            if count > 128 { #expect(error??.kind == .limit, "\(count): \(String(describing: error))") }
        }
    }

    private static func error(of source: String) -> TemplateError? {
        do throws(TemplateError) {
            _ = try Template(parsing: source).render([:], limits: limits)
            return nil
        } catch {
            return error
        }
    }

    /// Values as deep as they may be are printed, compared, sorted, written as JSON and freed on a small stack.
    @Test(arguments: [
        "{{ ns.l }}", "{{ ns.l | tojson(indent=1) }}", "{{ ns.l == ns.l[:] }}", "{{ ns.l <= ns.l[:] }}", "{{ {ns.t: 1}[ns.t] }}",
        "{{ [ns.t, ns.t] | unique | list | length }}", "{{ [ns.l] | sort | length }}", "{{ ns.d }}", "{{ ns.d | tojson }}",
        "{{ ns.d == ns.e }}",
    ])
    func deepValuesFitASmallStack(_ use: String) {
        let deep = """
            {% set ns = namespace(l=[1], t=(1,), d={}, e={}) %}{% for a in range(150) %}{% set ns.l = [ns.l] %}{% set ns.t = (ns.t,) %}\
            {% set ns.d = {'a': ns.d} %}{% set ns.e = {'a': ns.e} %}{% endfor %}
            """
        #expect(SmallStack.run { Self.error(of: deep + use) } == .some(nil))
    }

    @Test func deepCallsFitASmallStack() {
        let source = "{% macro f(n) %}{% if n %}({{ f(n - 1) }}){% endif %}{% endmacro %}{{ f(190) }}"
        #expect(SmallStack.run { Self.error(of: source) } == .some(nil))
    }

    // MARK: - Parsing

    static let longTexts: [(name: String, piece: String, end: String)] = [
        ("outputs", "{{1}}", ""), ("comments", "{#a#}", ""), ("begins of comments", "{#", ""), ("begins of outputs", "{{", ""),
        ("begins of statements", "{% ", ""), ("braces", "{", ""), ("raw begins", "{%raw%}{%", ""), ("white space", "{%   ", ""),
        ("sums", "{{1", ""), ("conditions", "{% if a %}{% set b = 1 %}{% endif %}", ""), ("names", "{{ a\u{a0}", ""),
    ]

    /// What repeats inside of one expression.
    static let longExpressions: [(begin: String, piece: String, end: String)] = [
        ("1", "+1", ""), ("a", ".b", ""), ("1", " and 1", ""), ("1", "~1", ""), ("1", "<1", ""), ("a", "|e", ""), ("[1", ",1", "]"),
        ("1 if 1 else 1", " if 1 else 1", ""),
    ]

    /// Hostile text of any length is read in one go.
    @Test func parsingTakesLinearTime() {
        var sources = Self.longTexts.map { String(repeating: $0.piece, count: 5_000) + $0.end }
        sources += Self.longExpressions.map { "{{ " + $0.begin + String(repeating: $0.piece, count: 5_000) + $0.end + " }}" }
        sources.append("{% if 1 %}" + String(repeating: "{% elif a1 %}{% set b = 1 %}", count: 3_000) + "{% endif %}")
        sources.append((0..<3_000).map { "{% if a %}{% set x\($0) = 1 %}{% endif %}" }.joined())
        for source in sources {
            let seconds = ThreadTime.seconds { _ = Self.error(of: source) }
            #expect(seconds < 5, "\(source.prefix(40))")
        }
    }

    @Test func refusesTooManyNames() throws {
        let names = (0..<256).map { "a\($0)=1" }.joined(separator: ", ")
        for source in ["{% macro f(\(names)) %}{% endmacro %}", "{{ f(\(names)) }}"] {
            let error = try #require(throws: TemplateError.self) { try Template(parsing: source) }
            #expect(error.message == "more than 255 names of parameters or arguments stand here")
        }
    }

    @Test func refusesTemplatesThatAreTooLong() throws {
        let text = String(repeating: "x", count: 5 << 20)
        let error = try #require(throws: TemplateError.self) { try Template(parsing: text) }
        #expect(error.kind == .limit)
        #expect(error.message == "the template has 5242880 bytes; 1048576 are the most that is read")
    }
}
