import JSONText

/// The member `decoder` of tokenizer.json.
enum DecoderJSON {
    static func decoding(_ value: JSONValue?, mapsBytes: Bool) throws(Malformed) -> Decoding {
        let steps = try TypedJSON.steps(value, place: "decoder", listKey: "decoders")
        guard let first = steps.first else {
            guard mapsBytes else { return .words }
            throw Malformed("has no 'decoder', which after a 'ByteLevel' pre_tokenizer is not read")
        }
        if mapsBytes {
            guard first.type == "ByteLevel", steps.count == 1 else { throw first.refused("after a 'ByteLevel' pre_tokenizer is not read") }
            return .byteAlphabet
        }
        if first.type == "Metaspace", steps.count == 1 {
            guard Array(try first.text("replacement").utf8) == Decoding.mark else { throw first.refused("without '\u{2581}' is not read") }
            let legacy = try first.flag("add_prefix_space", default: true) ? "always" : "never"
            return .marks(hiddenSpaceCount: (first.value["prepend_scheme"]?.string ?? legacy) == "never" ? 0 : 1)
        }
        return try marks(steps)
    }

    /// `Replace` of `▁` by a space, `ByteFallback`, `Fuse`, and perhaps `Strip` of spaces at the beginning.
    private static func marks(_ steps: [TypedJSON]) throws(Malformed) -> Decoding {
        var replacesMarks = false
        var hiddenSpaceCount = 0
        for step in steps {
            switch step.type {
            case "Replace":
                guard Array(try step.plainPattern().utf8) == Decoding.mark, try step.text("content") == " " else {
                    throw step.refused("of something else than '\u{2581}' by a space is not read")
                }
                replacesMarks = true
            case "ByteFallback", "Fuse": break
            case "Strip":
                guard try step.text("content") == " ", step.value["stop"]?.integer ?? 0 == 0, let count = step.value["start"]?.integer,
                    (0...16).contains(count)
                else { throw step.refused("of something else than up to 16 spaces at the beginning is not read") }
                hiddenSpaceCount = count
            default: throw step.refused()
            }
        }
        guard replacesMarks else { throw Malformed(at: "decoder", "leaves '\u{2581}' as it is, which is not read") }
        return .marks(hiddenSpaceCount: hiddenSpaceCount)
    }
}
