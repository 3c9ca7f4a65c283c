/// Expressions that cut text, as the tokenizer.json of many models spell them.
enum SplittingExpressions {
    static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    /// Words take one character that is neither letter nor digit in front; digits by three.
    static let llama3 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"# + llama3Tail
    /// The same with single digits.
    static let qwen2 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + llama3Tail
    /// Words in upper, lower and mixed case apart, single digits.
    static let tekken = lead + upper + "*" + lower + "+|" + lead + upper + "+" + lower + #"*|\p{N}"# + casedTail
    /// The same with endings like `'s` at words, and digits by three.
    static let o200k =
        lead + upper + "*" + lower + "+" + contractions + "?|" + lead + upper + "+" + lower + "*" + contractions + #"?|\p{N}{1,3}"#
        + casedTail

    /// One after the other, of DeepSeek V3: what the earlier ones leave.
    static let deepSeekV3 = [
        #"\p{N}{1,3}"#, "[一-龥぀-ゟ゠-ヿ]+",
        ##"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"##
            + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#,
    ]

    /// Of DeepSeek Coder, before single digits.
    static let deepSeekCoder = ["[\r\n]", #"\s?\p{L}+"#, #"\s?\p{P}+"#, ideographs]
    static let bloom = #" ?[^(\s|[.,!?…。，、।۔،])]+"#
    /// Behind Falcon's other steps.
    static let threeDigits = "[0-9][0-9][0-9]"

    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let lead = #"[^\r\n\p{L}\p{N}]?"#
    private static let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
    private static let llama3Tail = #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let casedTail = #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let ideographs = #"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+"#
}
