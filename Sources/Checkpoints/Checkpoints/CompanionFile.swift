package import ByteIO
import Synchronization

/// A file that belongs to a model beside its weights: configuration, tokenizer, templates, licence.
package struct CompanionFile: Sendable {
    package enum Content: Sendable {
        case bytes([UInt8])
        /// A part of a file on disk, read when it is needed.
        case part(of: InputFile, offset: Int, byteCount: Int)
        /// One that cannot be opened or is too long, which is told when it is needed: not everything needs a tokenizer.
        case unreadable(FileError)
        /// One that the container has no file of, made of what it has when it is needed.
        case made(Made<[UInt8]>)
    }

    package let name: String
    package let content: Content

    package init(name: String, content: Content) {
        self.name = name
        self.content = content
    }

    package var byteCount: Int {
        switch content {
        case .bytes(let bytes): bytes.count
        case .part(_, _, let byteCount): byteCount
        case .unreadable: 0
        case .made(let file): (try? file.value().count) ?? 0
        }
    }

    /// The file on disk that it is, or is a part of.
    package var inputFile: InputFile? { if case .part(let file, _, _) = content { file } else { nil } }

    /// Whether it only says how the weights are quantized.
    var statesQuantization: Bool { StatedQuantization.isFile(name) }

    package func bytes() throws(FileError) -> [UInt8] {
        switch content {
        case .bytes(let bytes): bytes
        case .part(let file, let offset, let byteCount): try file.bytes(atOffset: offset, count: byteCount)
        case .unreadable(let error): throw error
        case .made(let file): try file.value()
        }
    }

    /// Names that travel with a model, as Hugging Face libraries look for them.
    package static let knownNames: Set<String> = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model",
        "tekken.json", "chat_template.jinja", "chat_template.json", "preprocessor_config.json", "processor_config.json",
        "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "USE_POLICY.md",
    ]

    /// Whether a file says how text becomes tokens, or how a conversation is written.
    package static func isOfTokenizer(_ name: String) -> Bool { tokenizerNames.contains(name) || TemplateFolder.holds(name) }

    private static let tokenizerNames: Set<String> = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt",
        "tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "tekken.json", "chat_template.jinja", "chat_template.json",
    ]

    /// The longest companion that is carried; the largest tokenizers known have about 35 MB.
    package static let byteCountLimit = 256 << 20

    /// The known companions that lie in a folder, sorted by name; chat templates with names of their own are among them, as
    /// `additional_chat_templates/NAME.jinja`, and files that say how the weights are quantized.
    package static func all(inFolder folder: String) throws(FileError) -> [CompanionFile] {
        var files: [CompanionFile] = []
        for name in try TemplateFolder.files(ofModel: folder)
        where knownNames.contains(name) || TemplateFolder.holds(name) || StatedQuantization.isFile(name) {
            let path = FilePath.join(folder, name)
            guard FilePath.kind(of: path) == .file else { continue }
            files.append(CompanionFile(name: name, content: content(of: path)))
        }
        return files
    }

    private static func content(of path: String) -> Content {
        let file: InputFile
        do { file = try InputFile(path: path) } catch { return .unreadable(error) }
        guard file.byteCount <= byteCountLimit else {
            return .unreadable(FileError(path, "has \(file.byteCount) bytes, but at most \(byteCountLimit) are carried of such a file"))
        }
        return .part(of: file, offset: 0, byteCount: file.byteCount)
    }
}

extension AtomicOutput {
    /// Creates a small file of the folder at once: a companion, or the index of shards.
    package borrowing func createFile(named name: String, holding bytes: [UInt8]) throws(FileError) -> OutputFile {
        let file = try createFile(named: name)
        try file.write(bytes, atOffset: 0)
        return file
    }
}

/// What is made when it is first asked for, and kept.
package final class Made<Value: Sendable>: Sendable {
    private let made = Mutex<Result<Value, FileError>?>(nil)
    private let make: @Sendable () throws(FileError) -> Value

    package init(_ make: @escaping @Sendable () throws(FileError) -> Value) { self.make = make }

    package func value() throws(FileError) -> Value {
        let result = made.withLock { made in
            let result = made ?? Result(catching: make)
            made = result
            return result
        }
        return try result.get()
    }
}
