import Architectures
import ByteIO
import Checkpoints
import GGUFFormat
import JSONText
import Streaming
import TensorCore
import TestSupport
import Testing

@testable import Conversion

/// Models of all families become GGUF files and come back: every tensor byte for byte, under its name, and a configuration that means
/// the same.
@Suite struct GGUFFamilyTests {
    /// A tiny model, some of whose settings a GGUF file of its family has no place for.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        /// Members of config.json that differ.
        var changes = JSONObject()
        /// Tensors that go with them, by what their names hold.
        var leavesOut: [String] = []

        init(_ name: String, _ changes: JSONObject = JSONObject(), without leavesOut: [String] = []) {
            self.name = name
            self.changes = changes
            self.leavesOut = leavesOut
        }

        var testDescription: String { name }
        var path: String {
            let family = Fixture.family(name)
            return (try? InputFile(path: family + "/config.json")) != nil ? family : Fixture.mixture(name)
        }

        /// Writes the model into a folder.
        func write(to folder: TemporaryFolder) throws -> JSONObject {
            var config = try #require(try JSONValue(parsing: Fixture.bytes(path + "/config.json")).object)
            for member in changes.members { config[member.key] = member.value }
            let tensors = try storedTensors(at: path + "/model.safetensors").values.filter { tensor in
                !leavesOut.contains { tensor.name.contains($0) }
            }
            try folder.makeFolder("model")
            try folder.write(tensors.safetensors(), to: "model/model.safetensors")
            try folder.write(JSONValue.object(config).text(.compact), to: "model/config.json")
            return config
        }
    }

    static let cases: [Case] = [Case("llama-yarn"), Case("phi"), Case("phi3"), Case("phi3-short")]

    static func export(_ folder: TemporaryFolder, _ config: JSONObject) throws -> (Checkpoint, ModelDescription, Checkpoint) {
        let source = try Checkpoint.open(folder.path("model")), description = try source.describedModel()
        let mixture = try #require(GGUFMixture(named: "F32"))
        let keys = try GGUFModelKeys(description, config: config, name: "x", fileType: mixture.fileType, path: "model")
        let plan = try GGUFExportPlan(source, description, mixture, factors: keys.factors)
        _ = try GGUFExport(plan, metadata: keys.entries, resources: Resources(threadCount: 2))
            .run(path: folder.path("model.gguf"), byteCountLimit: nil, replaces: false)
        return (source, description, try Checkpoint.open(folder.path("model.gguf")))
    }

    @Test(arguments: cases) func modelsComeBack(_ model: Case) throws {
        let folder = try TemporaryFolder()
        let (source, description, read) = try Self.export(folder, model.write(to: folder))
        #expect(read.warnings == ["the file has no tokenizer"])
        let back = try read.describedModel()
        #expect(back.modelType == description.modelType && back.layers.count == description.layers.count)
        for (own, other) in zip(description.layers, back.layers) {
            #expect(own.norm == other.norm && own.feedForward == other.feedForward && own.wiring == other.wiring)
            #expect(own.attention.window == other.attention.window && own.attention.scale == other.attention.scale)
        }
        #expect(Set(read.tensors.map(\.name)) == Set(source.tensors.map(\.name)))
        for tensor in source.tensors {
            let other = try #require(read.tensors.first { $0.name == tensor.name })
            #expect(other.shape == tensor.shape && other.orientation == tensor.orientation, "\(tensor.name)")
            let values = try read.reader(of: other, order: .outputsByInputs).allElements()
            let expected = try source.reader(of: tensor, order: .outputsByInputs).allElements()
            let isSame = zip(values, expected).allSatisfy { $0.bitPattern == $1.bitPattern }
            #expect(isSame && values.count == expected.count, "\(tensor.name)")
        }
    }

    // MARK: - Refusals

    static let hint = "\nhint: a .qnf or a Hugging Face folder keeps it"
    static let refusals: [(Case, String)] = [
        (
            Case("phi-norms"),
            "the norm of heads: is layer norm with epsilon 1e-05, head in layer 0, but read from a GGUF file of 'phi2' it would be none"
        ),
        (
            Case("llama-yarn-scales"),
            "'beta_fast' and 'beta_slow': are"
        ),
    ]

    @Test(arguments: refusals) func refusesWhatAFileCannotSay(_ model: Case, _ message: String) throws {
        let folder = try TemporaryFolder(), config = try model.write(to: folder)
        let description = try Checkpoint.open(folder.path("model")).describedModel()
        let error = #expect(throws: FileError.self) {
            try GGUFModelKeys(description, config: config, name: "x", fileType: 0, path: "model")
        }
        let report = try #require(error?.report)
        #expect(message.hasSuffix("are") ? report.contains(message) : report == "model: \(message)\(Self.hint)", "\(report)")
    }
}
