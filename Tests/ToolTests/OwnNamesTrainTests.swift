import ByteIO
import Checkpoints
import CommandLineKit
import TensorCore
import TestSupport
import Testing

@testable import qconvert
@testable import qmerge
@testable import qrun
@testable import qtrain

/// Models in their makers' own files are tuned, and merged into, as the Hugging Face models of the same weights.
@Suite struct OwnNamesTrainTests {
    /// A model of a layout, with a tokenizer of letters beside it.
    private static func model(_ name: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.makeFolder("own")
        for file in try FilePath.entries(of: Fixture.path("layouts/\(name)")) {
            try folder.copy(Fixture.path("layouts/\(name)/\(file)"), as: "own/\(file)")
        }
        let tokens = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) } + ["Ġ", "Ċ"]
        let vocabulary = tokens.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
        try folder.write(
            #"{"version": "1.0", "added_tokens": [{"id": 28, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false, "#
                + #""normalized": false, "special": true}], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "#
                + #""trim_offsets": true, "use_regex": true}, "decoder": {"type": "ByteLevel"}, "#
                + #""model": {"type": "BPE", "vocab": {\#(vocabulary)}, "merges": []}}"#, to: "own/tokenizer.json")
        try folder.write(#"{"eos_token": "<end>"}"#, to: "own/tokenizer_config.json")
        try folder.write((0..<40).map { "abc \($0 % 2 == 0 ? "dead" : "beef") fade\n" }.joined(), to: "text.txt")
        return folder
    }

    /// An adapter that was trained on the one is merged into either, with one result.
    @Test(arguments: ["mistral", "meta-llama", "nanogpt"]) func areTunedAndMergedInto(_ name: String) throws {
        let folder = try Self.model(name), own = folder.path("own")
        let training = ToolRunner(
            qtrain,
            [
                own, "--data", folder.path("text.txt"), "-o", folder.path("a.lora"), "--steps", "3", "--rank", "2", "--batch-size", "2",
                "--max-length", "8", "--lr", "0.1", "-q",
            ])
        #expect(training.status == .done, "\(training.errors)")
        let conversion = ToolRunner(qconvert, ["to-hf", own, "-o", folder.path("hf"), "-q"])
        #expect(conversion.status == .done, "\(conversion.errors)")
        let answers = ["own", "hf"].map { base in
            ToolRunner(
                qrun,
                [
                    folder.path(base), "--adapter", folder.path("a.lora"), "-p", "abc dead", "--max-tokens", "4", "--temperature", "0",
                    "--exact",
                ])
        }
        #expect(answers[0].status == .done && answers[0].output == answers[1].output, "\(answers[0].errors)\(answers[1].errors)")
        for base in ["own", "hf"] {
            let run = ToolRunner(
                qmerge, [folder.path(base), folder.path("a.lora"), "-o", folder.path("\(base)-merged"), "--to", "f32", "-q"])
            #expect(run.status == .done, "\(base): \(run.output)\(run.errors)")
        }
        let merged = try Checkpoint.open(folder.path("own-merged")), other = try Checkpoint.open(folder.path("hf-merged"))
        let base = try Checkpoint.open(folder.path("hf"))
        #expect(merged.kind == .huggingFace && merged.tensors.map(\.name).sorted() == other.tensors.map(\.name).sorted())
        var changedCount = 0
        for tensor in merged.tensors {
            let same = try #require(other.tensors.first { $0.name == tensor.name })
            let before = try #require(base.tensors.first { $0.name == tensor.name })
            let values = try merged.reader(of: tensor, order: .outputsByInputs).allElements()
            #expect(try other.reader(of: same, order: .outputsByInputs).allElements() == values, "\(tensor.name)")
            if try base.reader(of: before, order: .outputsByInputs).allElements() != values { changedCount += 1 }
        }
        // Every linear layer.
        #expect(changedCount >= (name == "nanogpt" ? 8 : 7))
    }
}
