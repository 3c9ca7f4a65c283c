import Testing

@testable import Adapters

/// Expressions match what Python's `re.match(r"(.*\.)?(KEY)$", name)` matches; the expected answers are Python's.
@Suite struct ModuleExpressionTests {
    @Test(arguments: [
        ("k_proj", "model.layers.0.self_attn.k_proj", true), ("k_proj", "k_proj", true), ("k_proj", "model.k_proj.x", false),
        ("k_proj", "model.xk_proj", false), ("layers\\.1\\.mlp\\.down_proj", "model.layers.1.mlp.down_proj", true),
        ("layers\\.1\\.mlp\\.down_proj", "model.layers.11.mlp.down_proj", false),
        ("layers.1.mlp.down_proj", "model.layers.1.mlp.down_proj", true),
        ("^model.layers.0.q", "model.layers.0.q", true), ("^model.layers.0.q", "base.model.layers.0.q", false),
        ("(q|v)_proj", "a.v_proj", true), ("(q|v)_proj", "a.k_proj", false), ("layers\\.\\d+\\.q", "layers.12.q", true),
        ("layers\\.[0-3]\\.q", "layers.4.q", false), ("layers\\.[^0-3]\\.q", "layers.4.q", true), (".*", "anything.at.all", true),
        ("q_proj$", "a.q_proj", true), ("a{2,3}", "x.aaa", true), ("a{2,3}", "x.aaaa", false), ("a{2}", "aa", true), ("a{,2}", "b.a", true),
        ("(?:ab)+?", "abab", true), ("(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false), ("", "x.", true), ("", "x", false),
        ("", "", true), ("a|", "b.", true), ("[]a]", "]", true), ("[a-]", "-", true), ("(a*)*", "aaa", true), ("\\w+", "a.b_c", true),
        ("é", "x.é", true), ("mlp\\..*", "h.0.mlp.c_fc", true), ("c_attn|c_fc", "h.0.c_fc", true), ("h.^a", "h.a", false),
    ])
    func matchesAsPythonDoes(_ expression: String, _ name: String, _ expected: Bool) throws {
        #expect(try ModuleExpression(expression).matchesEnd(of: name) == expected)
    }

    @Test(arguments: [
        ("(a", "a group is not closed"), ("a)", "')' closes nothing at character 2"), ("*a", "'*' repeats nothing at character 1"),
        ("(?!a)b", "'(?' is understood only as '(?:', at character 2"), ("(a)\\1", "'\\1' is not understood, at character 5"),
        ("a**", "a repetition is repeated at character 3"), ("a\\", "it ends in a backslash"), ("[a", "a class is not closed"),
        ("a{3,2}", "the repetition {3,2} ends before it begins"), ("a{x}", "'{' begins no repetition at character 2"),
        ("(a{4000}){4000}", "it is longer than 4096 steps when written out"),
        ("a++", "possessive repetition is not understood, at character 3"),
    ])
    func refusesWhatItDoesNotUnderstand(_ expression: String, _ message: String) {
        #expect(throws: ModuleExpression.Failure(message: message)) { try ModuleExpression(expression) }
    }

    /// Runs of characters are compared from the end, everything else is simulated: both say the same.
    @Test(
        arguments: ["model.layers.0.q", "^a.b", "q_proj$", "[kq]_proj", "", "^", "$"],
        ["model.layers.0.q", "xmodel.layers.0.q", "a.b", "axb", "x.a.b", "q_proj", "", "."])
    func shortcutChangesNothing(_ expression: String, _ name: String) throws {
        let direct = try ModuleExpression(expression).matchesEnd(of: name)
        #expect(try ModuleExpression("(?:\(expression)|\\.\\.\\.)").matchesEnd(of: name) == direct)
    }

    @Test func refusesDeepNesting() {
        let deep = String(repeating: "(", count: 100_000)
        #expect(throws: ModuleExpression.Failure.self) { try ModuleExpression(deep) }
    }
}
