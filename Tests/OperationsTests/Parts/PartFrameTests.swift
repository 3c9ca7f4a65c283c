import ByteIO
import JSONText
import Streaming
import TensorCore
import Testing

@testable import Parts

/// What a part says of the output is read back as it was, and nothing that it says is believed unchecked.
@Suite struct PartFrameTests {
    private static let head =
        #"{"version":2,"tool":"qconvert 0.1.0","command":"to-hf","options":[],"source":"sha256:0","output":"model folder","#
        + #""files":[{"name":"a.safetensors","form":"safetensors","metadata":[["format","pt"]]}],"tensors":1,"states":0,"sources":0}"#
    private static let row = #"["t","BF16",[2,3],12,0,null]"#

    private static func frame(_ text: String) throws(FileError) -> PartFrame { try PartFrame(lines: Array(text.utf8), path: "p") }

    @Test func readsWhatItWrites() throws {
        let shape = try #require(Shape([2, 3]))
        let name = "a\n\"\u{301}"
        let info = try #require(TensorInfo(name: name, scalarType: .bf16, shape: shape))
        let frame = PartFrame(
            tool: "qconvert 1", command: "to-nf4", options: ["--keep a b"], source: "sha256:1", output: .file,
            files: [.init(name: "", form: .qnf)],
            tensors: [.init(info, file: 0), .init(name: "q", type: "Q4_K", shape: shape, byteCount: 7, file: 0, offset: 64)],
            metadata: .init(
                states: [("s", 200)], settings: .object(["a": .integer(1)]), lineage: .array([.object(["step": .string("to-nf4")])]),
                source: SourceDescription(kind: "safetensors", files: [("f", 9)], tensors: [info, info], fileIndices: [0, 0])))
        let lines = frame.lines
        let read = try PartFrame(lines: lines, path: "p")
        #expect(read.lines == lines)
        #expect(read.tensors.map(\.info?.name) == [info.name, nil] && read.tensors[1].offset == 64)
        #expect(read.metadata?.source.document(checksums: nil) == frame.metadata?.source.document(checksums: nil))
        // Cut anywhere, it is refused.
        for count in 0..<lines.count {
            #expect(throws: FileError.self) { try PartFrame(lines: Array(lines[..<count]), path: "p") }
        }
    }

    @Test(arguments: [
        ("", "the frame ends after line 0"), ("{", "the frame ends after line 0"),
        ("7\n", "the frame is of version none, but version 2 is read"),
        (head.replacing(#""version":2"#, with: #""version":1"#) + "\n", "the frame is of version 1, but version 2 is read"),
        (head.replacing("model folder", with: "zip") + "\n", "the frame has something else than expected in line 1"),
        (head.replacing(#""form":"safetensors""#, with: #""form":"gguf""#) + "\n", "the frame has something else than expected in line 1"),
        (head + "\n", "the frame ends after line 1"),
        (head + "\n\(row)\n\(row)\n", "the frame goes on after line 2, which should be the last"),
        (head.replacing(#""tensors":1"#, with: #""tensors":9223372036854775807"#) + "\n\(row)\n", "the frame ends after line 2"),
        (head + "\n" + row.replacing(",0,null", with: ",1,null") + "\n", "the frame has something else than expected in line 2"),
        (head + "\n" + row.replacing(",12,", with: ",-1,") + "\n", "the frame has something else than expected in line 2"),
        (head + "\n" + row.replacing("null", with: "-5") + "\n", "the frame has something else than expected in line 2"),
        (
            head + "\n" + row.replacing("[2,3]", with: "[4611686018427387904,4611686018427387904]") + "\n",
            "the frame has something else than expected in line 2"
        ),
    ])
    func refusesWhatItDoesNotUnderstand(_ text: String, _ message: String) {
        let error = #expect(throws: FileError.self) { try Self.frame(text) }
        #expect(error?.message == message && error?.path == "p")
    }

    @Test func takesTheTable() throws {
        let frame = try Self.frame(Self.head + "\n\(Self.row)\n")
        #expect(frame.output == .modelFolder && frame.tensors[0].info?.byteCount == 12 && frame.metadata == nil)
    }
}
