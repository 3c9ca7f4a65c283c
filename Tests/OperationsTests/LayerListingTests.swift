import Checkpoints
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Inspection
@testable import Streaming

/// Tensors as people look at them.
@Suite struct LayerListingTests {
    @Test(arguments: [
        ("model.layers.0.mlp.up_proj.weight", "model.layers.0"), ("transformer.h.11.ln_1.bias", "transformer.h.11"),
        ("model.embed_tokens.weight", nil), ("lm_head.weight", nil), ("model/h3/attn/c_attn/w", "model/h3"), ("model/wte", nil),
        ("bert/encoder/layer_0/output/dense/kernel", "bert/encoder/layer_0"), ("layers.3", nil), ("0.weight", nil), ("", nil),
        ("ln_1.weight", nil), ("a.b2.c", nil),
    ]) func layersAreTheFirstNumberedParts(_ name: String, _ layer: String?) {
        #expect(LayerListing.layer(of: name) == layer)
    }

    @Test func listsWhatAModelHolds() throws {
        let checkpoint = try Checkpoint.open(Fixture.checkpoint("gpt2/nf4-f32"))
        let listing = LayerListing(checkpoint, matching: nil)
        #expect(listing.rows.count == 28)
        #expect(listing.byteCount == checkpoint.storedByteCount)
        #expect(listing.elementCount == 211 * 48 + 64 * 48 + 2 * 28_272 + 96)
        let row = try #require(listing.rows.first { $0.name == "transformer.h.0.attn.c_attn.weight" })
        #expect(row.typeName == "NF4/64+DQ" && row.shape.dimensions == [48, 144] && row.layer == "transformer.h.0")
        #expect(row.shortName == "attn.c_attn.weight")
        // 3456 bytes of codes, 108 of constants, codebooks and a quant state.
        #expect(row.byteCount == 3456 + 108 + 64 + 4 + 1024 + 167)
        #expect(row.bitsPerElement == Double(row.byteCount) * 8 / 6912)
        let names = LayerListing(checkpoint, matching: try NamePattern("h\\.\\d.*c_fc")).rows.map(\.name)
        #expect(names == (0..<2).flatMap { ["transformer.h.\($0).mlp.c_fc.bias", "transformer.h.\($0).mlp.c_fc.weight"] })
    }

    @Test func tensorsAreInNaturalOrder() throws {
        let folder = try TemporaryFolder()
        let tensors = ["l.10.w", "l.9.w", "a"].map { StoredTensor($0, [0], []) }
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        let listing = LayerListing(try Checkpoint.open(folder.path("m.safetensors")), matching: nil)
        #expect(listing.rows.map(\.name) == ["a", "l.9.w", "l.10.w"])
        #expect(listing.rows.allSatisfy { $0.bitsPerElement == nil && $0.typeName == "F32" })
    }

    @Test(arguments: [(1.0, 0.0), (0.1, 20), (0.01, 40), (10, -20)]) func decibelsAreOfPower(_ relativeError: Double, _ decibels: Double) {
        var statistics = ErrorStatistics()
        let reference: [Float] = [3, 4], actual = reference.map { $0 + Float(relativeError) * $0 }
        statistics.add(reference: reference.span, actual: actual.span)
        #expect((statistics.totals.decibels - decibels).magnitude < 1e-4)
    }
}
