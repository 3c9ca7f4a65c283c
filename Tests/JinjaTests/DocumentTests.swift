import TestSupport
import Testing

@testable import Jinja

/// `formats/chat-templates.md` lists what there is.
@Suite struct DocumentTests {
    /// The words between a beginning and the next full stop.
    private func words(after beginning: String) throws -> Set<String> {
        let text = try Fixture.document("chat-templates.md")
        let start = try #require(text.range(of: beginning))
        let sentence = text[start.upperBound...].prefix { $0 != "." }
        return Set(sentence.split { $0 == " " || $0 == "\n" || $0 == "`" || $0 == "," }.map(String.init))
    }

    @Test func listsFilters() throws {
        #expect(try words(after: "**Filters.**") == Set(TemplateFilter.allCases.map(\.rawValue)))
    }

    @Test func listsTests() throws {
        #expect(try words(after: "**Tests.**").subtracting(["and"]) == Set(TemplateTest.allCases.map(\.rawValue)))
    }

    @Test func listsMethods() throws {
        #expect(try words(after: "Of strings:") == Set(StringMethod.allCases.map(\.rawValue)))
        #expect(try words(after: "Of lists:") == Set(ListMethod.allCases.map(\.rawValue)))
        #expect(try words(after: "Of mappings:") == Set(DictionaryMethod.allCases.map(\.rawValue)))
    }

    @Test func statesLimits() throws {
        let text = try Fixture.document("chat-templates.md")
        let limits = TemplateLimits()
        #expect(limits.stepCount == 20_000_000 && text.contains("| 20,000,000 |"))
        #expect(limits.byteCount == 256 << 20 && text.contains("| 256 MiB |"))
        #expect(limits.outputByteCount == 64 << 20 && text.contains("| 64 MiB |"))
        for count in [limits.callDepth, TemplateLimits.valueDepth, TemplateLimits.syntaxDepth, TemplateLimits.parameterCount] {
            #expect(text.contains("| \(count) |"))
        }
        #expect(TemplateLimits.templateByteCount == 1 << 20 && text.contains("| 1 MiB |"))
    }
}

extension String {
    /// The first place of a text, without Foundation.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        indices.lazy.first { self[$0...].hasPrefix(text) }.map { $0..<index($0, offsetBy: text.count) }
    }
}
