import ByteIO
import JSONText
import TensorCore
import Testing

@testable import Merging

struct UndoDirectoryTests {
    private static let sound = """
        {"version":1,"form":"file","files":[{"name":"a.qnf","bytes":100,"header":{"at":0,"bytes":[10]},"crc32c":"0000000000000001"}],\
        "companions":[],"tensors":[{"name":"w","method":"subtract","dtype":"BF16","columns":4,"terms":[{"rank":2,"scale_bits":1065353216,\
        "factors":{"at":10,"bytes":[5,6]}}],"bytes":24,"chunk":16,"items":{"at":21,"bytes":[7,8]}}]}
        """

    private static func problem(_ text: String) -> String? {
        do throws(UndoDirectory.Problem) {
            _ = try UndoDirectory(parsing: Array(text.utf8), payloadByteCount: 36)
            return nil
        } catch { return error.message }
    }

    @Test func theTextLeadsBack() throws {
        let directory = try UndoDirectory(parsing: Array(Self.sound.utf8), payloadByteCount: 36)
        #expect(directory.document.text(.compact) == Self.sound)
        #expect(directory.files[0].checksums == [CRC32C(value: 0), CRC32C(value: 1)])
        #expect(directory.tensors[0].range(ofChunk: 1) == 16..<24)
        let several = Self.sound.replacing("\"columns\":4", with: "\"columns\":4,\"matrices\":3")
        #expect(try UndoDirectory(parsing: Array(several.utf8), payloadByteCount: 36).document.text(.compact) == several)
    }

    /// Columns of a tensor without elements, and a rank: more factors than can be counted.
    @Test func factorsCanBeCounted() {
        let empty = Self.sound.replacing(
            "\"bytes\":24,\"chunk\":16,\"items\":{\"at\":21,\"bytes\":[7,8]}",
            with:
                "\"bytes\":0,\"chunk\":0,\"items\":{\"at\":21,\"bytes\":[]}"
        ).replacing("\"columns\":4", with: "\"columns\":281474976710656")
        #expect(Self.problem(empty) == nil)
        #expect(
            Self.problem(empty.replacing("\"rank\":2", with: "\"rank\":1048575"))
                == "tensor 'w': a term has rank 1048575 and scale_bits 1065353216")
    }

    /// What is replaced by what, and the error.
    static let damage: [(String, String, String)] = [
        ("\"version\":1", "\"version\":2", "is of version 2, but this program reads version 1"),
        ("\"form\":\"file\"", "\"form\":\"tape\"", "has the form 'tape', but 'file' or 'folder' is expected"),
        ("\"a.qnf\"", "\"../a\"", "'../a' is no name of a file"),
        ("\"bytes\":100", "\"bytes\":-1", "'bytes' in 'files' 0 is -1, which is no possible count"),
        ("0000000000000001", "000000000000000", "'crc32c' in 'files' 0 is no list of checksums"),
        ("\"at\":0,", "\"at\":30,", "'header' leads to byte 30 of 36, where 10 bytes are to lie"),
        ("\"at\":0,", "\"at\":281474976710656,", "'header' leads to byte 281474976710656 of 36, where 10 bytes are to lie"),
        ("\"bytes\":[10]", "\"bytes\":[10,1]", "'header' lists 2 streams, but 1 are needed"),
        ("\"bytes\":[10]", "\"bytes\":[0]", "'header' leads to byte 0 of 36, where 0 bytes are to lie"),
        ("\"bytes\":[10]", "\"bytes\":[9223372036854775807]", "'header' leads to byte 0 of 36, where 9223372036854775807 bytes are to lie"),
        ("\"subtract\"", "\"magic\"", "tensor 'w' is undone by 'magic', which is unknown"),
        ("\"BF16\"", "\"I64\"", "tensor 'w' has no type that a delta is subtracted from"),
        ("\"columns\":4", "\"columns\":5", "tensor 'w': 24 bytes are no rows of 5 elements of BF16"),
        ("\"columns\":4", "\"columns\":0", "tensor 'w': 24 bytes are no rows of 0 elements of BF16"),
        ("\"columns\":4", "\"columns\":4,\"matrices\":2", "tensor 'w': 3 rows are no 2 matrices of one size"),
        ("\"columns\":4", "\"columns\":4,\"matrices\":0", "tensor 'w': 3 rows are no 0 matrices of one size"),
        ("\"columns\":4", "\"columns\":4,\"matrices\":[]", "'matrices' in 'tensors' 0 is no whole number"),
        ("\"rank\":2", "\"rank\":1048576", "tensor 'w': a term has rank 1048576 and scale_bits 1065353216"),
        ("1065353216", "4294967296", "tensor 'w': a term has rank 2 and scale_bits 4294967296"),
        ("\"chunk\":16", "\"chunk\":0", "tensor 'w' has chunks of 0 bytes"),
        ("\"chunk\":16", "\"chunk\":8", "'items' lists 2 streams, but 3 are needed"),
        ("\"at\":21,", "\"at\":22,", "'items' leads to byte 29 of 36, where 8 bytes are to lie"),
        ("\"companions\":[]", "\"companions\":{}", "'companions' in the directory is no list"),
        ("\"companions\":[],", "", "the directory has no 'companions'"),
        ("\"name\":\"w\"", "\"name\":7", "'name' in 'tensors' 0 is no text"),
    ]

    @Test(arguments: damage) func refuses(_ text: String, _ replacement: String, _ message: String) {
        #expect(Self.sound.contains(text))
        #expect(Self.problem(Self.sound.replacing(text, with: replacement)) == message)
    }

    /// Files beside the weights may be templates in their folder; the weights themselves lie in no folder.
    @Test func namesOfFilesLeadNowhereElse() {
        func companion(_ name: String) -> String? {
            let list = "\"companions\":[{\"name\":\"\(name)\",\"bytes\":0,\"crc32c\":\"00000000\",\"content\":null}]"
            return Self.problem(Self.sound.replacing("\"companions\":[]", with: list))
        }
        #expect(companion("config.json") == nil && companion("additional_chat_templates/a.jinja") == nil)
        for name in ["a/b", "../a.jinja", "additional_chat_templates/../a.jinja", "additional_chat_templates/a"] {
            #expect(companion(name) == "'\(name)' is no name of a file")
        }
        let template = "additional_chat_templates/a.jinja"
        #expect(Self.problem(Self.sound.replacing("a.qnf", with: template)) == "'\(template)' is no name of a file")
    }

    @Test func refusesWhatStandsTwice() {
        let tensors = Self.sound.replacing(
            "\"tensors\":[",
            with: "\"tensors\":[{\"name\":\"w\",\"method\":\"xor\",\"bytes\":0,\"chunk\":0,\"items\":{\"at\":0,\"bytes\":[]}},")
        #expect(Self.problem(tensors) == "lists a tensor twice")
        #expect(Self.problem("{}") == "the directory has no 'version'")
        #expect(Self.problem("[")?.hasPrefix("is no JSON: ") == true)
    }
}
