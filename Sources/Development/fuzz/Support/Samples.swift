import ByteIO

/// Real files of the repository, to cut first inputs from.
struct Samples: Sendable {
    let root: String

    /// A file; none where it is longer than a few kilobytes, which would slow every run down.
    func file(_ path: String, byteCountLimit: Int = 16 << 10) -> [[UInt8]] {
        guard let file = try? InputFile(path: "\(root)/\(path)"), let bytes = try? file.allBytes(limit: byteCountLimit) else { return [] }
        return [bytes]
    }

    /// The JSON of a safetensors file's header, where it is short.
    func header(_ path: String) -> [[UInt8]] {
        guard let file = try? InputFile(path: "\(root)/\(path)"), let head = try? file.bytes(atOffset: 0, count: 8) else { return [] }
        let length = Int(head[0]) | Int(head[1]) << 8
        guard head[2...].allSatisfy({ $0 == 0 }), let json = try? file.bytes(atOffset: 8, count: length) else { return [] }
        return [json]
    }

    static let folders = ["samples/gpt2-tensorflow", "samples/llama-hf", "samples/llama-bnb4"]
}
