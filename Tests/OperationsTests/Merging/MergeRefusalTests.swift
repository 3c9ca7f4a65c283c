import Adapters
import ByteIO
import Checkpoints
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Merging
@testable import Streaming

struct MergeRefusalTests {
    /// The error of planning a merge.
    private static func refusal(
        _ base: String, _ adapters: [(path: String, weight: Double)], form: MergePlan.Form = .sameFiles, reference: String? = nil
    ) throws -> String? {
        do {
            _ = try MergePlan(
                base: Checkpoint.open(base), reference: try reference.map(Checkpoint.open),
                adapters: try adapters.map { WeightedAdapter(try Adapter.open($0.path), weight: $0.weight) }, form: form)
            return nil
        } catch let error as FileError { return error.message } catch let error as OperationError { return error.message }
    }

    private static let dense = Fixture.checkpoint("llama/dense-f32")

    @Test func aFourBitFolderIsMadeAQNFFirst() throws {
        let base = Fixture.checkpoint("llama/nf4-f32")
        #expect(
            try Self.refusal(base, [(Fixture.adapter("llama-plain"), 1)])
                == "\(base) is a bitsandbytes 4-bit checkpoint, and a merge that can be undone needs a .qnf")
    }

    @Test func theReferenceIsTheSameModelDense() throws {
        let folder = try TemporaryFolder()
        try convert(Self.dense, to: folder.path("base.qnf"))
        let base = folder.path("base.qnf"), adapter = [(Fixture.adapter("llama-plain"), 1.0)]
        let quantized = Fixture.checkpoint("llama/nf4-f32"), stranger = Fixture.checkpoint("gpt2/dense-f32")
        #expect(
            try Self.refusal(base, adapter, form: .qnf, reference: quantized)
                == "\(quantized) is to be the reference, but 'model.layers.0.mlp.down_proj.weight' in it is 4-bit")
        let message = try #require(try Self.refusal(base, adapter, form: .qnf, reference: stranger))
        #expect(message == "has no 'model.layers.0.mlp.down_proj.weight', which the adapters change")
    }

    @Test func anAdapterOfAnotherFamilyIsRefused() throws {
        #expect(try Self.refusal(Self.dense, [(Fixture.adapter("gpt2-plain"), 1)])?.contains("is of another family than") == true)
    }

    @Test func valuesThatAreNotFiniteAreFound() throws {
        let folder = try TemporaryFolder()
        try convert(Self.dense, to: folder.path("base.qnf"))
        let huge = try RandomAdapter([("model.layers.0.mlp.up_proj", 112, 64)], scale: 1e19, seed: 2)
        do {
            try merge(folder.path("base.qnf"), huge.path, to: folder.path("merged.qnf"))
            Issue.record("infinities were merged")
        } catch let error as FileError {
            #expect(error.place == "tensor 'model.layers.0.mlp.up_proj.weight'")
            #expect(error.message.contains("is not a finite number"))
        }
        #expect(FilePath.kind(of: folder.path("merged.qnf")) == .missing)
    }
}
