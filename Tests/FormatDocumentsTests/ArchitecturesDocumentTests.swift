import Architectures
import JSONText
import TestSupport
import Testing

/// formats/architectures.md says what the code does.
@Suite struct ArchitecturesDocumentTests {
    @Test func namesEveryModelType() throws {
        let text = try Fixture.document("architectures.md")
        for architecture in Architecture.all { #expect(text.contains("`\(architecture.modelType)`"), "\(architecture.modelType)") }
    }

    @Test func exampleIsDescribedAsItSays() throws {
        let text = try Fixture.document("architectures.md")
        let parts = text.components(of: "```json\n"), json = try #require(parts.last?.components(of: "\n```").first)
        let model = try ModelDescription(config: JSONValue(parsing: Array(json.utf8)))
        let stored = try JSONValue(parsing: Fixture.bytes(Fixture.family("cohere2/config.json")))
        #expect(try model.layers == ModelDescription(config: stored).layers)
        let norm = Norm(.layer, epsilon: 1e-5, hasBias: false)
        #expect(model.layers.allSatisfy { $0.norm == norm && $0.wiring == .parallel(sharesNorm: true) })
        #expect(model.layers.map(\.attention.window) == [5, 5, nil])
        let rotary = RotaryEmbedding(theta: 10_000, pairing: .neighbours)
        #expect(model.layers.map(\.attention.rotary) == [rotary, rotary, nil])
        #expect(model.layers[0].feedForward == FeedForward(.gated, .silu, innerWidth: 20))
        #expect(model.head == .init(isTied: true, scale: 1.0 / 16))
    }
}

extension String {
    fileprivate func components(of separator: String) -> [String] {
        var (parts, rest) = ([String](), self[...])
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
