import JSONText
import Jinja
import Testing

/// Snippets and what jinja2 3.1.6 makes of them in transformers' environment (`Tests/Fixtures/jinja`).
@Suite struct ReferenceCaseTests {
    @Test(arguments: ["cases.json", "more.json", "random.json"])
    func rendersAsJinja2(_ name: String) throws {
        let document = try TemplateFixtures.json("\(TemplateFixtures.root)/\(name)")
        let members = try #require(document["variables"]?.object).members
        let variables = Dictionary(uniqueKeysWithValues: members.map { ($0.key, TemplateValue.data($0.value)) })
        let cases = try #require(document["cases"]?.array)
        #expect(cases.count >= 100)
        for vector in cases {
            let source = try #require(vector["source"]?.string)
            check(source, vector, variables)
        }
    }

    private func check(_ source: String, _ vector: JSONValue, _ variables: [String: TemplateValue]) {
        do throws(TemplateError) {
            let rendered = try Template(parsing: source).render(variables, clock: TemplateFixtures.clock)
            guard let expected = vector["expected"]?.string else {
                Issue.record(
                    "\(source.debugDescription) gives \(rendered.text.debugDescription), and should fail: \(vector["error"]?.string ?? "")")
                return
            }
            #expect(
                Array(rendered.text.unicodeScalars) == Array(expected.unicodeScalars),
                "\(source.debugDescription) gives \(rendered.text.debugDescription)")
        } catch {
            guard let kind = vector["kind"]?.string else {
                Issue.record("\(source.debugDescription) fails: \(error)")
                return
            }
            #expect(error.isRaisedByTemplate == (kind == "TemplateError"), "\(source.debugDescription): \(error)")
            if error.isRaisedByTemplate { #expect(error.message == vector["error"]?.string) }
            #expect((error.kind == .security) == (kind == "SecurityError"), "\(source.debugDescription): \(error)")
        }
    }
}
