"""Small tokenizers and what the tokenizers and SentencePiece libraries make of texts with them.

    python tokenizer_vectors.py fixtures            writes Tests/Fixtures/tokenizers again (tokenizers, sentencepiece)
    python tokenizer_vectors.py random --out DIR    random Unicode; then QNF_TOKENIZER_VECTORS=DIR swift test --filter VectorTests

`random` takes the fixtures' tokenizers, and with --data FOLDER also those under FOLDER/tokenizers (gpt2, llama2, llama3,
qwen2), which are not part of the project. Each vectors.json holds texts, their ids with the special tokens that the
tokenizer adds, and the text of the ids without them.
"""

import argparse
import json
import random
import shutil
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests" / "Fixtures" / "tokenizers"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
LLAMA3 = HEAD + r"\p{N}{1,3}|" + TAIL
QWEN2 = HEAD + r"\p{N}|" + TAIL
TEXTS = [
    "", " ", "  ", "\t", "\n", "\n\n \n", "Hello world", " Hello world", "Hello, world!  Two  spaces\n\n\ttab \r\n x",
    "it's we'll I'D they'Ve 'tis ''s 'ſ don'T 're", "1 12 123 1234 12345 x1y22z333", "a\u00a0b\u2003c \u3000d",
    "日本語テスト 한국어 \u1112\u1161\u11ab кириллица عربى हिन्दी", "e\u0301 é e\u0302\u0301 ế \u0323\u0307q Å ﬁ ½ Ⅷ ² ៣",
    "👍🏽 😶‍🌫️ \U0001F1E9\U0001F1EA", "\u200d\ufeff\u0000\u001f\u007f", "<|endoftext|>", "a <|endoftext|> b<|endoftext|>",
    "x<mask>y <mask> z  <mask>  w", "<left>  <right>  end", "word bword word's swordfish word", "<norm> a <norm>b", "<s> a </s>b<unk>",
    "▁ ▁▁ a▁b", "      six spaces", "x" * 60, "ab" * 50, "Ünïcode… “quoted” — dash", "\U0010ffff\ue000\u0378",
    "The end of the line.\r\n\r\nNext   line\n  indented\n\n\n", "@#$%^&*()_+ !!!???... ===", "don't can’t",
]


def corpus():
    text = (ROOT / "samples" / "text" / "heldout.txt").read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line] + [t for t in TEXTS if t] * 3


def bytes_model(size, **flags):
    """A byte-level vocabulary: the 256 bytes and merges of the samples' text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return models.BPE(vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], **flags)


def bytes_tokenizer(model, splitting):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = splitting
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def split(pattern):
    parts = [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    return pre_tokenizers.Sequence(parts)


def llama3(model):
    tokenizer = bytes_tokenizer(model, split(LLAMA3))
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|endoftext|>"])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    frame = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), frame])
    return tokenizer


def qwen2(model):
    tokenizer = bytes_tokenizer(model, split(QWEN2))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def digits(model):
    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    tokenizer = bytes_tokenizer(model, pre_tokenizers.Sequence(parts))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def added(model):
    """Every flag that an added token can have, and a space in front of everything."""
    tokenizer = bytes_tokenizer(model, pre_tokenizers.ByteLevel(add_prefix_space=True))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True), AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.add_tokens([
        AddedToken("<left>", lstrip=True, rstrip=True), AddedToken("<right>", rstrip=True), AddedToken("word", single_word=True),
        AddedToken("<norm>", normalized=True), AddedToken("ế", normalized=True), AddedToken("sword", normalized=False)])
    return tokenizer


def sentencepiece_model(folder):
    import sentencepiece

    text = folder / "text.txt"
    text.write_text("\n".join(corpus()), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "m"), vocab_size=700, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, character_coverage=0.98,
        num_threads=1, minloglevel=2, allow_whitespace_only_pieces=True)
    shutil.move(folder / "m.model", folder / "tokenizer.model")
    for name in ["text.txt", "m.vocab"]:
        (folder / name).unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def marks(processor, scheme):
    """The same vocabulary in tokenizer.json, as transformers converts it: in the old and in the new way."""
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece, i in vocabulary.items():
        if processor.is_byte(i) or processor.is_control(i) or processor.is_unknown(i):
            continue
        ways = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in vocabulary and piece[k:] in vocabulary]
        merges += [(processor.get_score(i), way) for way in sorted(ways, key=lambda way: (vocabulary[way[0]], vocabulary[way[1]]))]
    merges = [way for _, way in sorted(merges, key=lambda merge: -merge[0])]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if scheme == "legacy":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme, split=scheme == "always")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ["<unk>", "<s>", "</s>"]])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def cases(tokenizer, texts):
    result = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        result.append({"text": text, "ids": ids, "shown": tokenizer.decode(ids, skip_special_tokens=True)})
    return result


def write(folder, tokenizer_path, found):
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("  " + json.dumps(case) for case in found)
    (folder / "vectors.json").write_text(f'{{"tokenizer": {json.dumps(tokenizer_path)}, "cases": [\n{lines}\n]}}\n')


def write_fixtures():
    shutil.rmtree(FIXTURES, ignore_errors=True)
    made = {
        "llama3": llama3(bytes_model(500, ignore_merges=True)), "qwen2": qwen2(bytes_model(500)), "digits": digits(bytes_model(400)),
        "added": added(bytes_model(400))}
    pieces = FIXTURES / "sentencepiece"
    pieces.mkdir(parents=True)
    processor = sentencepiece_model(pieces)
    for scheme in ["legacy", "first", "always"]:
        made[f"marks-{scheme}"] = marks(processor, scheme)
    for name, tokenizer in made.items():
        folder = FIXTURES / name
        folder.mkdir(parents=True)
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        write(folder, ".", cases(tokenizer, TEXTS))
    # SentencePiece takes control tokens in text for text; transformers, and we, do not.
    texts = [text for text in TEXTS if "<s>" not in text]
    write(pieces, ".", pieces_cases(processor, texts))
    sample = Tokenizer.from_file(str(ROOT / "samples" / "llama-hf" / "tokenizer.json"))
    write(FIXTURES / "sample", "samples/llama-hf", cases(sample, TEXTS))
    write(FIXTURES / "sample-openai", "samples/gpt2-tensorflow", cases(sample, TEXTS))


def pieces_cases(processor, texts):
    found = [(text, processor.encode(text)) for text in texts]
    return [{"text": text, "ids": [1] + ids, "shown": processor.decode(ids)} for text, ids in found]


INTERESTING = [
    (0x20, 0x7E, 12), (0xA0, 0x17F, 3), (0x300, 0x36F, 2), (0x370, 0x52F, 2), (0x590, 0x6FF, 1), (0x900, 0xDFF, 2), (0x1100, 0x11FF, 2),
    (0x1E00, 0x1FFF, 2), (0x2000, 0x206F, 3), (0x2070, 0x2BFF, 2), (0x3000, 0x30FF, 2), (0x4E00, 0x9FFF, 2), (0xAC00, 0xD7A3, 2),
    (0xF900, 0xFFFF, 2), (0x10000, 0x1FFFF, 2), (0x1F300, 0x1FAFF, 2), (0x20000, 0x3FFFF, 1), (0, 0x10FFFF, 1)]
PIECES = [
    " ", "  ", "\n", "\r\n", "\t", "   \n  ", "'s", "'LL", "'ſ", "12", "3456", "the", " of", "Hello", "▁", "<|endoftext|>", "<mask>", "word",
    " word ", "é", "e\u0301", "ế", "e\u0302\u0301", "<norm>", "\u1100\u1161\u11a8", "😀", "<s>", "</s>", "<|begin_of_text|>", "<left>", "…", "ies", "ing "]


def random_text(source):
    parts = []
    for _ in range(source.randrange(1, 40)):
        if source.random() < 0.4:
            parts.append(source.choice(PIECES))
            continue
        low, high, _ = source.choices(INTERESTING, [weight for _, _, weight in INTERESTING])[0]
        for _ in range(source.randrange(1, 6)):
            value = source.randint(low, high)
            parts.append(chr(value) if not 0xD800 <= value <= 0xDFFF else "?")
    return "".join(parts)


def external(folder):
    """The reference tokenizers of the vocabularies under `folder`."""
    def tokens(name):
        config = json.loads((folder / name / "tokenizer_config.json").read_text())
        entries = sorted(config["added_tokens_decoder"].items(), key=lambda entry: int(entry[0]))
        return [AddedToken(**entry) for _, entry in entries]

    def model(name, vocabulary, merges, **flags):
        lines = (folder / name / merges).read_text(encoding="utf-8").split("\n")
        pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
        vocab = json.loads((folder / name / vocabulary).read_text(encoding="utf-8"))
        return models.BPE(vocab=vocab, merges=pairs, **flags)

    gpt2 = bytes_tokenizer(model("gpt2", "encoder.json", "vocab.bpe"), pre_tokenizers.ByteLevel(add_prefix_space=False))
    gpt2.add_special_tokens(["<|endoftext|>"])
    llama = bytes_tokenizer(model("llama3", "encoder.json", "vocab.bpe", ignore_merges=True), split(LLAMA3))
    llama.add_tokens(tokens("llama3"))
    qwen = bytes_tokenizer(model("qwen2", "vocab.json", "merges.txt"), split(QWEN2))
    qwen.normalizer = normalizers.NFC()
    qwen.add_tokens(tokens("qwen2"))
    old = Tokenizer.from_file(str(folder / "llama2" / "tokenizer.json"))
    return {"gpt2": gpt2, "llama3": llama, "qwen2": qwen, "llama2": old}


def write_random(out, data, count, seed):
    source = random.Random(seed)
    texts = [random_text(source) for _ in range(count)]
    for folder in sorted(FIXTURES.iterdir()):
        path = json.loads((folder / "vectors.json").read_text())["tokenizer"]
        place = folder if path == "." else ROOT / path
        if (place / "tokenizer.json").exists():
            write(out / folder.name, str(place), cases(Tokenizer.from_file(str(place / "tokenizer.json")), texts))
        elif (place / "tokenizer.model").exists():
            import sentencepiece

            processor = sentencepiece.SentencePieceProcessor(model_file=str(place / "tokenizer.model"))
            # NUL ends a text for SentencePiece's Python side; marks written out are what spaces become.
            plain = [text for text in texts if not any(mark in text for mark in ["<s>", "</s>", "<unk>", "\0", "▁"])]
            write(out / folder.name, str(place), pieces_cases(processor, plain))
    for name, tokenizer in (external(data / "tokenizers") if data else {}).items():
        write(out / f"external-{name}", str(data / "tokenizers" / name), cases(tokenizer, texts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fixtures")
    command = commands.add_parser("random")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--data", type=Path, help="folder with tokenizers/ of others")
    command.add_argument("--count", type=int, default=1000)
    command.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.command == "fixtures":
        write_fixtures()
    else:
        write_random(options.out, options.data and options.data.resolve(), options.count, options.seed)


if __name__ == "__main__":
    main()
