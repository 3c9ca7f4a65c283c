import ByteIO
import JSONText
import Tokenization

/// Tokenizers that a test writes out.
enum StoredJSON {
    /// A tokenizer.json with some parts, and perhaps a tokenizer_config.json beside it.
    static func open(
        model: String, decoder: String = #"{"type":"Metaspace","replacement":"▁","prepend_scheme":"never"}"#, _ more: String = "",
        config: String? = nil
    ) throws -> Tokenizer {
        var files = [("tokenizer.json", "{\"model\":{\(model)},\"decoder\":\(decoder)\(more)}")]
        if let config { files.append(("tokenizer_config.json", config)) }
        return try Tokenizer.open(files.map { TokenizerFile(name: $0.0, bytes: Array($0.1.utf8)) }, path: "m")
    }
}
