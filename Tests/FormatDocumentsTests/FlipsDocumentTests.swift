import Quantization
import TestSupport
import Testing

@testable import Merging

/// The example in `formats/flips.md` is what the code does.
@Suite struct FlipsDocumentTests {
    private static func fields() throws -> [String: [Float]] {
        var fields: [String: [Float]] = [:]
        for line in try Fixture.document("flips.md").split(separator: "\n") where line.hasPrefix("    ") {
            let words = line.split(separator: " ")
            let numbers = words.dropFirst().compactMap { Float($0) }
            if numbers.count == words.count - 1, let name = words.first { fields[String(name)] = numbers }
        }
        return fields
    }

    @Test func theExampleIsFlippedAsTheDocumentSays() throws {
        let fields = try Self.fields()
        let moments = try #require(fields["moments"]), delta = try #require(fields["delta"])
        let scale = try #require(fields["scale"]?.first), mu = try #require(fields["mu"]?.first)
        let inputs = LayerInputs(columnCount: delta.count, moments: moments, heldOut: [])
        let flips = CodeFlips(inputs, steps: CodeSteps(QuantType.nf4.quantMap), mu: Double(mu))
        var codes = try #require(fields["codes"]).map { UInt8($0) }
        let expected = try #require(fields["flipped"]).map { UInt8($0) }
        let scales = [Float](repeating: scale, count: delta.count)
        // No code is at another value than the nearest of W + D.
        let values = QuantType.nf4.quantMap.values
        for (code, d) in zip(codes, delta) {
            let wanted = values[Int(code)] * scale + d
            let nearest = values.indices.min { abs(values[$0] * scale - wanted) < abs(values[$1] * scale - wanted) }
            #expect(nearest == Int(code))
        }
        _ = codes.withUnsafeMutableBufferPointer { codes in
            scales.withUnsafeBufferPointer { scales in
                delta.withUnsafeBufferPointer { flips.flip(codes: codes, scales: scales, delta: $0) }
            }
        }
        #expect(codes == expected && codes.count == 4)
    }

    @Test func theDocumentHasTheNumbersOfTheCode() throws {
        let text = try Fixture.document("flips.md")
        #expect(
            text.contains(
                "effect is below 0.95, all rows are flipped anew from the base with an aim of 1 / effect, at most 2; where it is above 1.05"
            ))
        #expect(text.contains("Where an aim of 2 brings less than 0.9, the same is tried with a mu of 100."))
        #expect(FlipSearch.strengths == [10, 100] && FlipSearch.largestAim == 2 && FlipSearch.enough == 0.95...1.05)
        #expect(FlipSearch.least == 0.9 && FlipMerge.enough == 0.9)
    }
}
