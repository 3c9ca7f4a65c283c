import JSONText
import Jinja
import TestSupport

/// Files of templates and of what the reference makes of them.
enum TemplateFixtures {
    /// `Tests/Fixtures/jinja`
    static let root = Fixture.path("jinja")

    static func json(_ path: String) throws -> JSONValue { try JSONValue(parsing: Fixture.bytes(path)) }

    /// Monday, 5 January 2026, 9:07:03.
    static let clock = TemplateClock(year: 2026, month: 1, day: 5, hour: 9, minute: 7, second: 3) ?? .now
}
