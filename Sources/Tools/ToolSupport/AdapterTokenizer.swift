package import Adapters
package import ByteIO
package import Checkpoints
package import CommandLineKit
import JSONText

/// Tokenizer and chat template that lie in the folder of an adapter, beside those of a base.
///
/// Trainers save both with the adapter; where they differ from the base's, prompts are to be written as in the training.
package struct AdapterTokenizer: Sendable {
    /// Which of the two is used.
    package enum Choice: String, Sendable, CaseIterable {
        case adapter, base
    }

    /// Of the adapter that brings them.
    package let path: String
    /// What takes the place of the base's tokenizer files.
    package let files: [CompanionFile]
    /// What is not as in the base, in a few words each; empty where nothing is.
    package let differences: [String]

    /// Without one of these a folder says nothing about how text becomes tokens.
    private static let vocabularies: Set<String> = [
        "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model", "tekken.json",
    ]
    private static let templates: Set<String> = ["chat_template.jinja", "chat_template.json"]

    /// Nil where the adapter brings none, as no `.lora` file does.
    package init?(of adapter: Adapter, base: Checkpoint) throws(FileError) {
        guard let folder = adapter.folder else { return nil }
        let own = try CompanionFile.all(inFolder: folder).filter { CompanionFile.isOfTokenizer($0.name) }
        let before = base.files.filter { CompanionFile.isOfTokenizer($0.name) }
        guard !own.isEmpty else { return nil }
        path = adapter.path
        let (mine, theirs) = (try Content(own), try Content(before))
        if own.contains(where: { Self.vocabularies.contains($0.name) }) {
            files = own
        } else {
            // A template alone is put beside the base's vocabulary, and no other template stays that would come before it.
            let names = Set(own.map(\.name)).union(mine.template == nil ? [] : Self.templates)
            files =
                before.filter { file in
                    !names.contains(file.name) && (mine.template == nil || !TemplateFolder.holds(file.name))
                } + own
        }
        differences = mine.differences(from: theirs)
    }

    /// The files that a choice leads to: nil for the base's own. What differs is said where nothing is chosen.
    ///
    /// - Parameters:
    ///   - choice: of the user; nil where nothing is said.
    ///   - isResized: the adapters bring tables of other lengths than the base's: only their tokenizer fits those.
    package static func files(
        _ choice: Choice?, of adapters: [Adapter], base: Checkpoint, isResized: Bool, _ console: Console
    ) throws -> [CompanionFile]? {
        if choice == .base { return nil }
        var found: [AdapterTokenizer] = []
        for adapter in adapters { if let own = try AdapterTokenizer(of: adapter, base: base) { found.append(own) } }
        guard let first = found.first else {
            guard choice == nil else {
                throw Failure("--tokenizer adapter: no adapter that is named brings a tokenizer", hint: "leave it away to use the base's")
            }
            return nil
        }
        let content = try Content(first.files)
        for other in found.dropFirst() where try !Content(other.files).differences(from: content).isEmpty {
            guard choice == nil, !isResized else {
                throw Failure(
                    "\(first.path) and \(other.path) bring different tokenizers", hint: "--tokenizer base uses that of the base")
            }
            console.warning("\(first.path) and \(other.path) bring different tokenizers, and neither is used")
            return nil
        }
        if choice == .adapter { return first.files }
        guard !first.differences.isEmpty else { return nil }
        let list = first.differences.joined(separator: ", ").terminalSafe
        guard !isResized else {
            console.note("the tokenizer is that of \(first.path), whose tables have its length; it differs from the base's: \(list)")
            return first.files
        }
        console.warning(
            "\(first.path) brings a tokenizer of its own, which differs from the base's (\(list)) and is not used",
            hint: "--tokenizer adapter takes it, as in the training; --tokenizer base keeps the base's without a word")
        return nil
    }
}

/// What tokenizer files mean, as far as it can differ between a base and an adapter.
private struct Content {
    /// tokenizer.json without what trainers change for their batches; else the files that hold the vocabulary.
    private let vocabulary: [String: JSONValue]
    private let binaries: [String: CRC32C]
    private let addedTokens: [String]
    /// `eos_token` and others by their names.
    private let specialTokens: [String: String]
    let template: String?
    /// Those with names of their own.
    private let namedTemplates: [String: String]

    private static let specialNames = ["bos_token", "eos_token", "unk_token", "pad_token"]

    init(_ files: [CompanionFile]) throws(FileError) {
        func json(_ name: String) throws(FileError) -> JSONValue? {
            guard let file = files.first(where: { $0.name == name }) else { return nil }
            let bytes = try file.bytes()
            do { return try JSONValue(parsing: bytes) } catch {
                throw FileError(name, at: "byte \(error.offset)", error.message, hint: "--tokenizer base leaves the file alone")
            }
        }
        var vocabulary: [String: JSONValue] = [:]
        var binaries: [String: CRC32C] = [:]
        let tokenizer = try json("tokenizer.json")?.object
        if let tokenizer {
            for member in tokenizer.members where !["truncation", "padding", "version"].contains(member.key) {
                vocabulary[member.key] = member.value
            }
        } else {
            for file in files where ["tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "tekken.json"].contains(file.name) {
                binaries[file.name] = CRC32C(of: try file.bytes())
            }
        }
        self.vocabulary = vocabulary
        self.binaries = binaries
        addedTokens = tokenizer?["added_tokens"]?.array?.compactMap { $0["content"]?.string } ?? []
        let configuration = try json("tokenizer_config.json"), map = try json("special_tokens_map.json")
        var special: [String: String] = [:]
        for name in Self.specialNames {
            guard let value = configuration?[name] ?? map?[name] else { continue }
            special[name] = value.string ?? value["content"]?.string
        }
        specialTokens = special
        var named: [String: String] = [:]
        for file in files {
            guard let name = TemplateFolder.templateName(of: file.name) else { continue }
            named[name] = String(decoding: try file.bytes(), as: UTF8.self)
        }
        namedTemplates = named
        if let file = files.first(where: { $0.name == "chat_template.jinja" }) {
            template = String(decoding: try file.bytes(), as: UTF8.self)
        } else {
            let stated = try json("chat_template.json")?["chat_template"] ?? configuration?["chat_template"]
            template = stated.map { $0.string ?? $0.text(.compact) }
        }
    }

    func differences(from other: Content) -> [String] {
        var result: [String] = []
        if !isSameVocabulary(other) {
            let more = addedTokens.filter { !other.addedTokens.contains($0) }
            let names = more.prefix(3).map { "'\($0)'" }.joined(separator: ", ") + (more.count > 3 ? ", ..." : "")
            result.append("its tokens" + (more.isEmpty ? "" : ", with \(more.count) more: \(names)"))
        }
        for name in Self.specialNames {
            guard let own = specialTokens[name], own != other.specialTokens[name] else { continue }
            result.append("\(name) is '\(own)'" + (other.specialTokens[name].map { ", not '\($0)'" } ?? ""))
        }
        if let template, template != other.template {
            result.append(other.template == nil ? "it has a chat template" : "its chat template")
        }
        for name in namedTemplates.keys.sorted() where namedTemplates[name] != other.namedTemplates[name] {
            result.append(other.namedTemplates[name] == nil ? "it has a chat template '\(name)'" : "its chat template '\(name)'")
        }
        return result
    }

    /// A folder without a vocabulary has the base's; two forms of one vocabulary are not compared with each other.
    private func isSameVocabulary(_ other: Content) -> Bool {
        if vocabulary.isEmpty && binaries.isEmpty { return true }
        return vocabulary == other.vocabulary && (!vocabulary.isEmpty || binaries == other.binaries)
    }
}
