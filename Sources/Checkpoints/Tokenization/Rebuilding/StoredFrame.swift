import JSONText

/// Roles of tokens, what stands around a text, and templates, as the metadata of a GGUF file states them.
///
/// Which flags are written at all follows convert_hf_to_gguf: those of which post_processor or tokenizer_config.json speak. What they
/// say is what the tokenizer does; a flag is written, too, where it does not do what readers expect without one.
struct StoredFrame {
    private let source: StoredTokenizerReader.Source
    private let rowCount: Int
    private let isSentencePiece: Bool
    private let splitting: String
    private(set) var remarks: [String] = []

    init(_ source: StoredTokenizerReader.Source, rowCount: Int, isSentencePiece: Bool, splitting: String) {
        self.source = source
        self.rowCount = rowCount
        self.isSentencePiece = isSentencePiece
        self.splitting = splitting
    }

    mutating func fill(_ stored: inout StoredTokenizer) {
        readRoles(&stored)
        readFrame(&stored)
        stored.chatTemplates = source.roles.chatTemplates
        let hasPrefix = SpaceHabits.addsPrefix(source.parts)
        if source.roles.addsPrefixSpace != nil {
            stored.addsSpacePrefix = isSentencePiece ? hasPrefix : source.parts.prefix != .none
            stored.statesSpacePrefix = true
        } else if isSentencePiece, !hasPrefix {
            stored.addsSpacePrefix = false
        }
    }

    // MARK: - Roles

    private mutating func readRoles(_ stored: inout StoredTokenizer) {
        var order: [String] = []
        func id(_ text: String?) -> Int? {
            text.flatMap { source.parts.vocabulary.id(of: $0) }.map(Int.init).flatMap { $0 < rowCount ? $0 : nil }
        }
        let roles = source.roles
        var texts = roles.texts
        texts["bos_token"] = roles.beginning
        texts["eos_token"] = roles.end
        for role in TokenRoles.roleNames {
            guard let found = id(texts[role]) else { continue }
            stored.roles[role] = found
            order.append(role)
        }
        for role in TokenRoles.roleNames where stored.roles[role] == nil {
            guard let found = roles.statedIDs[role], (0..<rowCount).contains(found) else { continue }
            stored.roles[role] = found
            order.append(role)
        }
        // Readers of pieces take the first one where nothing is stated.
        if isSentencePiece, stored.roles["unk_token"] == nil, let found = id(source.unknown) ?? unknownPiece, found != 0 {
            stored.roles["unk_token"] = found
        }
        stored.roleOrder = order + StoredTokenizer.usualRoleOrder.filter { !order.contains($0) }
        var ends: [Int] = []
        for end in roles.stopIDs where end != stored.roles["eos_token"] && (0..<rowCount).contains(end) && !ends.contains(end) {
            ends.append(end)
        }
        stored.otherEnds = ends
    }

    private var unknownPiece: Int? { source.pieces?.pieces.firstIndex { $0.type == .unknown } }

    // MARK: - Frame

    private mutating func readFrame(_ stored: inout StoredTokenizer) {
        let (before, after) = (source.parts.before.map(Int.init), source.parts.after.map(Int.init))
        // What stands before every text begins it, whether or not a file says so.
        if let only = before.first, before.count == 1, stored.roles["bos_token"] == nil { stored.roles["bos_token"] = only }
        if let only = after.first, after.count == 1, stored.roles["eos_token"] == nil { stored.roles["eos_token"] = only }
        let begins = before == [stored.roles["bos_token"]].compactMap(\.self) && !before.isEmpty
        let ends = after == [stored.roles["eos_token"]].compactMap(\.self) && !after.isEmpty
        if !before.isEmpty, !begins {
            remarks.append("every text begins with \(shown(before)), which is left out: only one BOS can be stated")
        }
        if !after.isEmpty, !ends { remarks.append("every text ends with \(shown(after)), which is left out: only one EOS can be stated") }
        var flags = Flags(source, stored)
        let habit = isSentencePiece || StoredSplitting(named: splitting)?.addsBeginning ?? false
        if begins != habit { flags.require("bos") }
        if ends { flags.require("eos") }
        if flags.names.contains("bos") { stored.addsBeginning = begins }
        if flags.names.contains("eos") { stored.addsEnd = ends }
        if flags.names.contains("sep") { stored.addsSeparator = flags.separates }
        stored.flagOrder = flags.names + StoredTokenizer.usualFlagOrder.filter { !flags.names.contains($0) }
    }

    private func shown(_ ids: [Int]) -> String {
        ids.map { id in
            let spelling = source.parts.vocabulary.spelling(of: TokenID(id)) ?? []
            return "'\(JSONError.excerpt(String(decoding: spelling, as: UTF8.self)))'"
        }.joined(separator: " ")
    }

    /// Of which flags the files speak, in the order in which they do.
    private struct Flags {
        private(set) var names: [String] = []
        private(set) var separates = false

        init(_ source: StoredTokenizerReader.Source, _ stored: StoredTokenizer) {
            // What cannot be read has been refused with the frame itself.
            for step in (try? TypedJSON.steps(source.postProcessor, place: "post_processor", listKey: "processors")) ?? [] {
                switch step.type {
                case "ByteLevel": for name in ["bos", "eos"] { require(name) }
                case "RobertaProcessing":
                    for name in ["bos", "eos", "sep"] { require(name) }
                    separates = true
                case "TemplateProcessing": readTemplate(step.value, source.roles)
                default: break
                }
            }
            let roles = source.roles
            for (name, flag) in [("bos", roles.addsBeginning), ("eos", roles.addsEnd), ("sep", roles.addsSeparator)] {
                guard let flag, !names.contains(name) else { continue }
                names.append(name)
                if name == "sep" { separates = flag }
            }
        }

        mutating func require(_ name: String) { if !names.contains(name) { names.append(name) } }

        /// `single` speaks of beginning and end, `pair` of what stands between two texts.
        private mutating func readTemplate(_ template: JSONValue, _ roles: TokenRoles) {
            func special(_ piece: JSONValue?) -> String? { piece?["SpecialToken"]?["id"]?.string }
            let single = template["single"]?.array ?? []
            let first = single.count > 1 ? special(single.first) : nil, last = single.count > 1 ? special(single.last) : nil
            if first != nil { require("bos") }
            if last != nil { require("eos") }
            var pair = (template["pair"]?.array ?? [])[...]
            if let first, special(pair.first) == first { pair.removeFirst() }
            if let last, special(pair.last) == last { pair.removeLast() }
            guard pair.count > 2, pair.first?["Sequence"]?["id"]?.string == "A", pair.last?["Sequence"]?["id"]?.string == "B" else {
                return
            }
            let between = pair.dropFirst().dropLast().map(special)
            let ends = [roles.texts["sep_token"], roles.end].compactMap(\.self)
            func isEnd(_ text: String?) -> Bool { text.map(ends.contains) ?? false }
            separates = isEnd(between[0]) && last == nil || between.count == 2 && isEnd(between[1])
            require("sep")
        }
    }
}
