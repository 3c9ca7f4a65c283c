"""Tiny tokenizers of the families that decoders use, and what the tokenizers library makes of texts with them.

    python tokenizer_families.py            writes Tests/Fixtures/tokenizers/families again

Each family has the normalizer, pre-tokenizer and decoder of the models that it is named after; the vocabularies are trained on
the project's own sample text. vectors.json holds texts, their ids with the special tokens that the tokenizer adds, and the text
of the ids without them.
"""

import json
import shutil
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders as D, models, normalizers as N, pre_tokenizers as P, processors, trainers

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "Tests" / "Fixtures" / "tokenizers" / "families"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD, TAIL = r"[^\r\n\p{L}\p{N}]?", r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = rf"{LEAD}{UPPER}*{LOWER}+|{LEAD}{UPPER}+{LOWER}*|\p{{N}}|{TAIL}"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = rf"{LEAD}{UPPER}*{LOWER}+{ENDING}|{LEAD}{UPPER}+{LOWER}*{ENDING}|\p{{N}}{{1,3}}|{TAIL}"
DEEPSEEK3 = [
    r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
]
CJK = r"[\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+"
PUNCTUATION = r"\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+"
LETTERS = r"\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{370}-\x{373}\x{391}-\x{3A1}\x{3A3}-\x{3F5}\x{410}-\x{44F}]+"
# As published since for the o200k and cl100k vocabularies, with possessive repetitions.
POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
SPM = dict(byte_fallback=True, fuse_unk=True, unk_token="<unk>")


def split(pattern, behavior="isolated"):
    return P.Split(Regex(pattern), behavior)


def level(use_regex=False):
    return P.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def byte_level(normalizer, *steps, **settings):
    return normalizer, P.Sequence(list(steps)), D.ByteLevel(), settings


MARKS = [D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]
FAMILIES = {
    "gpt-neox": byte_level(N.NFC(), level(True)),
    "starcoder": byte_level(None, P.Digits(individual_digits=True), level(True)),
    "command-r": byte_level(N.NFC(), P.Digits(individual_digits=True), level(True)),
    "falcon": byte_level(None, P.Punctuation("contiguous"), level(True), P.Digits(individual_digits=False), split("[0-9][0-9][0-9]")),
    "llama3": byte_level(None, split(LLAMA3), level(), ignore_merges=True),
    "qwen2": byte_level(N.NFC(), split(QWEN2), level()),
    "qwen3.5": byte_level(N.NFC(), split(QWEN35), level()),
    "tekken": byte_level(None, split(TEKKEN), level(), ignore_merges=True),
    "o200k": byte_level(None, split(O200K), level()),
    "possessive": byte_level(N.NFKC(), split(POSSESSIVE), level()),
    "deepseek-llm": byte_level(
        None, split("[\r\n]"), split(LETTERS), split(PUNCTUATION), split(r"\s+$"), split(CJK), P.Digits(individual_digits=True), level()),
    "deepseek-coder": byte_level(
        None, split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK), P.Digits(individual_digits=True), level()),
    "deepseek-v3": byte_level(None, *[split(pattern) for pattern in DEEPSEEK3], level()),
    "bloom": byte_level(None, split(BLOOM), level()),
    "merged": byte_level(
        None, split(r"\d+", "merged_with_previous"), split("[A-Z]", "merged_with_next"), split(r"[^\w\s]", "contiguous"), level()),
    "gemma": (N.Replace(" ", "▁"), P.Split(" ", "merged_with_previous"), D.Sequence(MARKS), SPM),
    "llama2": (N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]), None, D.Sequence(MARKS + [D.Strip(" ", 1, 0)]), SPM),
    "metaspace": (
        None, P.Metaspace(replacement="▁", prepend_scheme="first", split=False), D.Sequence(MARKS + [D.Strip(" ", 1, 0)]), SPM),
}
TEXTS = [
    "", " ", "  ", "\n", "\r\n\r\n \r\n", "Hello world", " Hello  world", "It's 2024; we're DONE, they'LL go. I'VE 'tis 'S x's",
    "a\nb\n\nc\r\nd \n e", "   leading and trailing   ", "\t\ttabs\tand  spaces \n", "1 12 123 1234 12345 3.14 1,000,000 ٣٤٥ ²³ Ⅷ ½",
    "camelCase PascalCase snake_case SCREAMING HTTPServer iPhone15Pro", "über Straße ÀÉÎ naïve e\u0301 n\u0303 ﬁ", "Привет, мир! ЁЖ",
    "你好，世界！今天是2024年5月。", "こんにちは世界カタカナ", "안녕하세요 세계", "مرحبا ۱۲۳ नमस्ते। ไทย", "😀👩‍👩‍👧‍👦🇨🇭 ♥️",
    "path/to/file.txt https://example.com/a?b=c&d=%20#x", "def f(x):\n    return x**2  # comment\n\n\tif x: pass\n", "a/b//c /// \n// c",
    "== != <= >= && || ++ -> =>", "...---!!! «quotes» „deutsch“ ‘x’", "a\u00a0b\u2003c\u3000d\u200be", "\x00\x07\x1b[0m",
    "x" * 40 + " " * 17 + "y", "A'B C'd 'LL'll", "Ǆ ǅ ǆ ʰʱ ⁱ ª º", "12ab34 ab12cd", "foo  \n  bar   \n\n   baz", "l'été L'HOMME",
    "<|im_start|>user\nhi<|im_end|>", "<s>[INST] x [/INST]</s> y", "new\nline\n", "spaces at the end    ", "日本語text混在123テスト!",
]


def special(content, **flags):
    return AddedToken(content, special=True, normalized=False, **flags)


def trained(name, corpus):
    normalizer, pre_tokenizer, decoder, settings = FAMILIES[name]
    marks = settings is SPM
    tokenizer = Tokenizer(models.BPE(**settings))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = P.Split("▁", "merged_with_next") if marks else pre_tokenizer
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] if marks else ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=560, special_tokens=names, initial_alphabet=[] if marks else P.ByteLevel.alphabet(), limit_alphabet=400,
        show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    result = Tokenizer(models.BPE(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], **settings))
    if normalizer:
        result.normalizer = normalizer
    if pre_tokenizer:
        result.pre_tokenizer = pre_tokenizer
    result.decoder = decoder
    if marks:
        result.add_special_tokens([special(content) for content in ("<unk>", "<s>", "</s>")])
        result.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", model["vocab"]["<s>"])])
    else:
        result.add_special_tokens([
            special("<|endoftext|>"), special("<|im_start|>", rstrip=name == "tekken"), special("<|im_end|>", lstrip=name == "o200k")])
        result.add_tokens([AddedToken("    ", normalized=name == "gpt-neox")])
    return result


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    lines = (ROOT / "samples" / "text" / "heldout.txt").read_text().split("\n")[:1000] + TEXTS * 3
    for name in FAMILIES:
        tokenizer = trained(name, lines)
        folder = OUT / name
        folder.mkdir(parents=True)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        cases = []
        for text in TEXTS:
            ids = tokenizer.encode(text).ids
            cases.append({"text": text, "ids": ids, "shown": tokenizer.decode(ids)})
        with open(folder / "vectors.json", "w", encoding="utf-8") as file:
            json.dump({"tokenizer": ".", "cases": cases}, file, ensure_ascii=False)
