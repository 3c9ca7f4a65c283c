import ByteIO
import Testing

@testable import TensorFlowFormat

@Suite struct CheckpointStateTests {
    @Test(
        "reads the latest path",
        arguments: [
            ("model_checkpoint_path: \"model.ckpt\"\nall_model_checkpoint_paths: \"model.ckpt\"\n", "model.ckpt"),
            ("model_checkpoint_path:\"a b\"", "a b"),
            ("model_checkpoint_path : 'it\\'s' ; x: 1", "it's"),
            ("x: -1.5e+3, model_checkpoint_path: \"a\" \"b\"\n'c'", "abc"),
            (#"model_checkpoint_path: "\303\251\x41\t\"\\""#, "éA\t\"\\"),
            ("# model_checkpoint_path: \"no\"\nmodel_checkpoint_path: \"yes\" # it is", "yes"),
            ("model_checkpoint_path: \"na\u{ef}ve\"", "naïve"),
        ])
    func readsPath(text: String, path: String) throws {
        #expect(try CheckpointState(Array(text.utf8)).latestPath == path)
    }

    @Test(
        "takes the last component",
        arguments: [
            ("m", "m"), ("/a/b/m", "m"), ("a/m", "m"), (#"C:\\a\\m"#, "m"), ("..", ".."), ("a/", ""),
        ])
    func takesLastComponent(path: String, name: String) throws {
        #expect(try CheckpointState(Array("model_checkpoint_path: \"\(path)\"".utf8)).latestName == name)
    }

    @Test(
        "refuses other text",
        arguments: [
            ("", "byte 0: model_checkpoint_path is missing"),
            ("model_checkpoint_path", "byte 21: a colon is expected here, after 'model_checkpoint_path'"),
            ("model_checkpoint_path:", "byte 22: a value is expected here"),
            ("model_checkpoint_path: 5", "byte 22: model_checkpoint_path is no string of UTF-8"),
            ("model_checkpoint_path: \"\\377\"", "byte 22: model_checkpoint_path is no string of UTF-8"),
            ("model_checkpoint_path: \"a", "byte 25: a string is not closed"),
            ("model_checkpoint_path: \"a\n\"", "byte 25: a string is not closed"),
            ("model_checkpoint_path: \"a\\", "byte 26: a string is not closed"),
            ("model_checkpoint_path: \"\\q\"", "byte 25: an escape here is not understood"),
            ("model_checkpoint_path: \"\\400\"", "byte 28: an escape here is not understood"),
            ("model_checkpoint_path: \"\\x\"", "byte 26: an escape here is not understood"),
            ("x { y: 1 }", "byte 2: a colon is expected here, after 'x'"),
            ("model_checkpoint_path: \"a\" model_checkpoint_path: \"b\"", "byte 49: model_checkpoint_path appears twice"),
            ("{\"a\": 1}", "byte 0: a field's name is expected here"),
        ])
    func refuses(text: String, message: String) throws {
        let failure = #expect(throws: ByteReader.Failure.self) { try CheckpointState(Array(text.utf8)) }
        #expect(try #require(failure).inFile("c").description == "c: " + message)
    }
}
