import ByteIO

/// Templates of models that a built-in format follows to the letter, by the digest of their text.
///
/// Each was rendered by transformers for conversations of every shape that `ChatMessage` can express (no, one and several system
/// messages, in front and later; empty contents, white space at both ends; with and without an opened response), and every
/// rendering was that of the format here. Tools, documents and hidden thoughts are no part of it.
///
/// The digest is the SHA-256 of the text after this, none of which changes what Jinja makes of it:
///
///     CRLF becomes LF, and one LF at the end goes, as Jinja does it;
///     the words that a ChatML template opens with by default become `{}`, wherever they stand: they are read, not known.
struct KnownTemplates: Sendable {
    struct Entry: Hashable, Sendable {
        let name: PromptTemplate.Name
        /// Whether the text begins with the tokenizer's BOS.
        var writesBeginning = false
        /// Whether a response is opened behind every conversation, asked for or not.
        var alwaysOpensResponse = false
    }

    let entries: [String: Entry]

    static let all: KnownTemplates = {
        let chatML = Entry(name: .chatml)
        let llama3 = Entry(name: .llama3, writesBeginning: true)
        let openedLlama3 = Entry(name: .llama3, writesBeginning: true, alwaysOpensResponse: true)
        return KnownTemplates(entries: [
            // OpenHermes 2.5 and many others: ChatML alone. The line feeds are escaped here, written out in the next.
            "fcf7a096fe99a48fd9ad2b250bf9237e96e8f48bffec1c7ea4d3f225176cd40e": chatML,
            "153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3": chatML,
            // What transformers 4 took for models without a template.
            "58c1a1f04baa7adaeaba1f90267c3d57d9396f0c1f0129bdde9e76d3c6784af7": chatML,
            "d7b5b8c7b58f7a6bf868aa46a5f73ee976d7292f40fcb9c3e7a1defd8d235cfb": chatML,
            // SmolLM2, Qwen 1.5, Qwen 2: with a default system message.
            "c2d92fdbcf51389fa4a41cfe6b663f3785bfa73cf9ab540eadc42d9268181663": chatML,
            "968c53cd166786479da69d2fe6d5113182e8e5e70e94ecf59e32f9d4d4b300ae": chatML,
            // Qwen 2.5, MiMo-VL; Qwen 2.5 VL; Qwen 3 Coder.
            "430fb705dec8f3c3542f181648d297219e437f8a7d6f406ffc65438c0bc7068a": chatML,
            "acc0ba5c0739e86994e779cd09b3b86177e2204929a34bd475b546a7f77044b2": chatML,
            "eae48a3307931acb10a6fce475a36b711709672ea79ee1a9bc52f083d8b0a2af": chatML,
            // Llama 3 (not 3.1 and later, which write dates), as published and with less ado.
            "ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122": llama3,
            "4f46ecd43418f216df8c26936c60e5d04bcc81db47db5d86fbe889f64212dd4c": llama3,
            "42014e4fe789f39f32bf940c036c0684cccfe85e33eba259b1107e13944161b7": llama3,
            "7876563665ef4dc7ed8b8184adae429d7f2d078b5f72e7eabaa9d190345f39de": llama3,
            "b48c47f6443892716176eb200bf4ef108f64e06ca26ed0fa8ebc0a4b3992fcb2": openedLlama3,
            "b75e17085cfc511ead6d4fab84b86ab3c168ec7a332568a91d0889cdcba94394": openedLlama3,
            // This project's own samples.
            "d45f54d173d425eeea6767fd7ae8ae3c63eb2cff032c148a504df30a96da6fd5": Entry(name: .alpaca),
        ])
    }()

    /// The template that writes what `jinja` writes; nil where that is not known to the letter.
    func template(_ jinja: String) -> PromptTemplate? {
        var text = Self.normalized(jinja)
        let defaultSystem = PromptTemplate.defaultChatMLSystem(text)
        if let defaultSystem { text.replace(Array(defaultSystem.utf8), with: Array("{}".utf8)) }
        var hash = SHA256()
        hash.append(text)
        guard let entry = entries[hash.finish()] else { return nil }
        var template = PromptTemplate(entry.name, defaultSystem: defaultSystem)
        template.beginning = entry.writesBeginning ? .written : .absent
        template.alwaysOpensResponse = entry.alwaysOpensResponse
        return template
    }

    private static func normalized(_ jinja: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in jinja.utf8 {
            if byte == UInt8(ascii: "\n"), bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            bytes.append(byte)
        }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return bytes
    }
}
