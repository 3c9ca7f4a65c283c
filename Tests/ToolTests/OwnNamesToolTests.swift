import Checkpoints
import CommandLineKit
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qverify

/// Every tool takes models in their makers' own files.
@Suite struct OwnNamesToolTests {
    private static let names = ["mistral", "meta-llama", "nanogpt", "llm.c", "llama2.c"]

    /// A folder for transformers holds the same weights, the other way where its class has them so.
    @Test(arguments: names) func foldersHoldTheSame(_ name: String) throws {
        let folder = try TemporaryFolder(), path = Fixture.path("layouts/\(name)")
        let run = ToolRunner(qconvert, ["to-hf", path, "-o", folder.path("hf"), "-q"])
        #expect(run.status == .done, "\(run.errors)")
        let own = try Checkpoint.open(path), other = try Checkpoint.open(folder.path("hf"))
        #expect(other.kind == .huggingFace && other.config?["model_type"] == own.config?["model_type"])
        #expect(own.tensors.count == other.tensors.count)
        for tensor in own.tensors {
            let same = try #require(other.tensors.first { $0.name == tensor.name })
            #expect(same.shape == tensor.shape && same.scalarType == tensor.scalarType && same.orientation == tensor.orientation)
            let values = try own.reader(of: tensor, order: .outputsByInputs).allElements()
            #expect(try other.reader(of: same, order: .outputsByInputs).allElements() == values, "\(tensor.name)")
        }
    }

    @Test(arguments: names) func fourBitsAreMadeAndMeasured(_ name: String) throws {
        let folder = try TemporaryFolder(), path = Fixture.path("layouts/\(name)"), made = folder.path("m.qnf")
        #expect(ToolRunner(qinspect, ["check", path]).status == .done)
        let run = ToolRunner(qconvert, ["to-nf4", path, "-o", made, "-q"])
        #expect(run.status == .done, "\(run.errors)")
        #expect(ToolRunner(qinspect, ["check", made]).status == .done)
        let roundTrip = ToolRunner(qverify, ["roundtrip", path, made, "-q"])
        #expect(roundTrip.status == .done, "\(roundTrip.output)\(roundTrip.errors)")
        #expect(try Checkpoint.open(made).tensors.contains { $0.quantized != nil })
    }
}
