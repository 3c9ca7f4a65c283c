extension String {
    /// With what libraries name in back quotes, a parameter or an operation of theirs, spelled as it is on the command line.
    ///
    ///     `replaces` replaces it        --force replaces it
    ///
    /// Libraries do not know what their callers call things. Other words in back quotes stay as they are.
    var spelledAsOptions: String {
        guard utf8.contains(UInt8(ascii: "`")) else { return self }
        let parts = split(separator: "`", omittingEmptySubsequences: false)
        var text = String(parts[0])
        var isAfterName = false
        for (index, part) in parts.enumerated().dropFirst() {
            let spelling = isAfterName || index + 1 == parts.count ? nil : Self.optionSpellings[String(part)]
            text += spelling ?? (isAfterName ? "" : "`") + part
            isAfterName = spelling != nil
        }
        return text
    }

    /// What libraries name, and how a person asks for it.
    static let optionSpellings: [String: String] = [
        "replaces": "--force", "maximumMemory": "--max-memory",
        // Running.
        "contextLength": "--context", "exact": "--exact", "verify": "--verify", "AdapterApplication": "'qrun --adapter'",
        // Conversion and looking.
        "Conversion": "'qconvert to-nf4'", "part": "--part", "PartJoin": "'qconvert join'", "ReportSet.model": "--model",
        "ReportSet.source": "--source", "Export": "'qconvert to-safetensors'",
        "Export(castingTo: .f32)": "'qconvert to-safetensors --dtype f32'", "HuggingFaceExport": "'qconvert to-hf'",
        "DenseExport": "'qconvert to-hf --dequantize'", "IntegrityCheck": "'qinspect check'", "Statistics": "'qinspect stats'",
        "AdapterListing": "'qinspect adapter'", "allowsNonfinite": "--allow-nonfinite", "plainConstants": "--no-double-quant",
        "matchesTransformers": "--match-transformers", "takingPlainFloat8": "--plain-float8", "rows": "--rows", "columns": "--columns",
        "index": "--index", "Adapter.placed": "'qconvert to-lora --base BASE'",
        // Merging.
        "Merge": "'qmerge'", "combination": "--combine", "noUndo": "--no-undo", "outputType": "--to",
        // Training.
        "peak": "--lr", "warmupCount": "--warmup", "clip": "--clip", "resume": "--resume", "start": "--init-from", "rank": "--rank",
        "alpha": "--alpha", "isTarget": "--targets", "CheckpointFolder": "--checkpoints", "keptCheckpoints": "--keep",
    ]
}
