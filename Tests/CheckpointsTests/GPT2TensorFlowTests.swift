import ByteIO
import CheckpointTestSupport
import Testing

@testable import Checkpoints

@Suite struct GPT2TensorFlowTests {
    /// Found by fuzzing: a table of the variables of 65536 layers took seconds to make.
    @Test func refusesMoreLayersThanItMakesATableOf() throws {
        let folder = try Fixture.makeOpenAIFolder()
        try folder.write(#"{"n_vocab": 5, "n_ctx": 3, "n_embd": 2, "n_head": 1, "n_layer": 1025}"#, to: "hparams.json")
        let error = #expect(throws: FileError.self) { try Checkpoint.open(folder.path) }
        #expect(error?.description == "\(folder.path)/hparams.json: 'n_layer': is 1025, but a whole number from 1 to 1024 is expected")
    }
}
