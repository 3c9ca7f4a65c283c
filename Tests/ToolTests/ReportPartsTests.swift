import Inspection
import Quantization
import TensorCore
import Testing

@testable import Reports

/// The parts of a report by themselves.
@Suite struct ReportPartsTests {
    @Test(
        "counts layers, and joins them where there are too many",
        arguments: [
            (1, ["0"]), (3, ["0", "1", "2"]), (300, ["0–2", "3–5"]),
        ])
    func joinsLayers(count: Int, labels: [String]) {
        let bands = LayerBands((0..<count).map { "model.layers.\($0)" })
        #expect(Array(bands.bands.map(\.label).prefix(labels.count)) == labels && bands.bands.count <= LayerBands.limit)
        #expect(bands.prefix == "model.layers" && bands.index(ofLayer: "model.layers.\(count - 1)") == bands.bands.count - 1)
        #expect(bands.bands.reduce(0) { $0 + $1.layers.count } == count)
    }

    @Test func namesLayersInFullWhereTheyAreNotCountedAlike() {
        let bands = LayerBands(["decoder.0", "decoder.1", "encoder.0"])
        #expect(bands.prefix == nil && bands.bands.map(\.label) == ["decoder.0", "decoder.1", "encoder.0"])
        #expect(bands.description(of: 2) == "encoder.0")
        #expect(LayerBands(["h.0", "h.1"]).description(of: 1) == "layer 1")
    }

    @Test(
        "tells kinds of weight by their names",
        arguments: [
            ("model.layers.3.self_attn.q_proj.weight", "self_attn.q_proj"),
            ("model.layers.3.mlp.experts.17.down_proj.weight", "mlp.experts.*.down_proj"),
            ("transformer.h.0.attn.c_attn.bias", "attn.c_attn.bias"), ("lm_head.weight", "lm_head"),
            ("model/h3/attn/c_attn/w", "attn.c_attn"),
            ("weight", "weight"), ("", ""), ("layers.0..weight", "weight"),
        ])
    func tellsKinds(name: String, kind: String) {
        #expect(LayerListing.kind(of: name, inLayer: LayerListing.layer(of: name)) == kind)
    }

    @Test(
        "draws axes with round steps",
        arguments: [
            (0, []), (4, [0, 1, 2, 3, 4]), (4.1, [0, 2, 4, 6]), (110_000, [0, 50_000, 100_000, 150_000]), (0.0871, [0, 0.05, 0.1]),
            (.infinity, []),
        ])
    func drawsRoundSteps(largest: Double, ticks: [Double]) {
        #expect(Ticks.upTo(largest) == ticks)
    }

    /// A tensor of these elements, with a histogram of so many bins.
    private static func reals(_ values: [Float], binCount: Int) throws -> Distribution.Part {
        var summary = ElementSummary()
        var histogram: Histogram?
        values.withUnsafeBytes { bytes in
            for run in ElementSummary.runs(of: bytes, type: .f32) { summary.append(run) }
            guard let minimum = summary.minimum, let maximum = summary.maximum else { return }
            histogram = Histogram(range: minimum...maximum, binCount: binCount)
            histogram?.add(bytes, type: .f32)
        }
        return (summary, histogram)
    }

    @Test func poursHistogramsTogether() throws {
        let even = (0..<6000).map { Float($0) / 6000 }
        let whole = try #require(Distribution(kind: "w", [try Self.reals(even, binCount: 1000)]))
        #expect(whole.shares.count == Distribution.binCount && whole.shareBeyond < 1e-6)
        // Evenly spread, whatever bins they were counted in, and however they were cut into tensors.
        let cut = try Distribution(
            kind: "w", [Self.reals(Array(even[..<1000]), binCount: 64), Self.reals(Array(even[1000...]), binCount: 333)])
        for distribution in [whole, try #require(cut)] {
            #expect(distribution.elementCount == 6000 && (distribution.shares.reduce(0, +) - 1).magnitude < 1e-6)
            #expect(distribution.shares.allSatisfy { ($0 - 1.0 / 60).magnitude < 0.002 })
        }
    }

    @Test func keepsTheMiddleInSightWhereAFewAreFarOut() throws {
        var values = (0..<10_000).map { Float($0 % 100) / 100 - 0.5 }
        values[7] = 1000
        let distribution = try #require(Distribution(kind: "w", [try Self.reals(values, binCount: 4096)]))
        #expect(distribution.absmax == 1000 && distribution.range.upperBound < 100)
        #expect((distribution.shareBeyond - 0.0001).magnitude < 1e-6)
    }

    @Test func hasNoHistogramOfOneValue() throws {
        let distribution = try #require(Distribution(kind: "w", [try Self.reals([2, 2, .nan], binCount: 8)]))
        #expect(distribution.shares.isEmpty && distribution.mean == 2 && distribution.nonfiniteCount == 1)
        #expect(try Distribution(kind: "w", [Self.reals([.nan], binCount: 8)]) == nil)
        #expect(Distribution(kind: "w", []) == nil)
    }
}
