import ByteIO
import JSONText

/// Another engine that runs GGUF files, with two threads.
enum Peer {
    /// llama.cpp, by a Python that has llama-cpp-python.
    case python(String)
    /// A `llama-bench`, of llama.cpp or of what came of it, and options for it.
    case program(String, options: [String])

    var name: String {
        switch self {
        case .python: "llama.cpp"
        case .program(let path, _): path.split(separator: "/").dropLast().first { $0.contains("llama") }.map(String.init) ?? "llama-bench"
        }
    }

    /// Tokens a second.
    ///
    /// - Parameters:
    ///   - depth: tokens that stand before those that are written; a `llama-bench` has none there.
    ///   - folder: scratch.
    func speeds(
        of model: String, readLength: Int, depth: Int, writtenLength: Int, folder: String
    ) throws -> (read: Double, written: Double) {
        let output = FilePath.join(folder, "peer.json")
        switch self {
        case .python(let python):
            let command = [
                python, "Tests/Interop/llama_cpp_bench.py", model, "--threads", "2", "--read", String(readLength), "--depth", String(depth),
                "--write", String(writtenLength), "--json",
            ]
            _ = try Process(command, output: output)
            let document = try JSONValue(parsing: try InputFile(path: output).allBytes(limit: 1 << 20))
            guard let read = document["read_per_second"]?.double, let written = document["written_per_second"]?.double else {
                throw Process.Failure(description: "llama_cpp_bench.py gives no figures")
            }
            return (read, written)
        case .program(let path, let options):
            let command = [path, "-m", model, "-t", "2", "-p", String(readLength), "-n", String(writtenLength), "-r", "1", "-o", "json"]
            _ = try Process(command + options, output: output)
            let document = try JSONValue(parsing: try InputFile(path: output).allBytes(limit: 1 << 20))
            let rows = document.array ?? []
            guard let read = rows.first(where: { $0["n_gen"]?.integer == 0 })?["avg_ts"]?.double,
                let written = rows.first(where: { $0["n_prompt"]?.integer == 0 })?["avg_ts"]?.double
            else { throw Process.Failure(description: "\(path) gives no figures") }
            return (read, written)
        }
    }
}
