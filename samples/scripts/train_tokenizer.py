"""Trains the samples' tokenizer: byte-level BPE with GPT-2's splitting, in both file formats.

Ids are laid out as OpenAI lays out GPT-2's: the 256 bytes in the order of GPT-2's printable alphabet, then one
id per merge, then <|endoftext|>. `encoder.json` and `vocab.bpe` (OpenAI's format) and `tokenizer.json` (Hugging
Face's) hold the same vocabulary; `compare` proves it on a text.

    python train_tokenizer.py --text /tmp/samples/train.txt --out /tmp/samples/tokenizer --check ../text/heldout.txt
"""
import argparse
import json
import os

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

END = "<|endoftext|>"
# GPT-2's splitting: contractions, then letters, digits or anything else with at most one space before, then spaces.
SPLITTING = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def byte_alphabet():
    """GPT-2's 256 printable stand-ins in id order: `!`..`~`, `¡`..`¬`, `®`..`ÿ`, then U+0100 and up for the rest."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(0x100 + i) for i in range(len(hidden))]


def train(texts, vocabulary_size):
    """The merges, as pairs, in order of rank."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size - 1, min_frequency=2, show_progress=False,
                                  initial_alphabet=byte_alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(merge) for merge in merges]


def vocabulary_of(merges):
    pieces = byte_alphabet() + [left + right for left, right in merges] + [END]
    if len(set(pieces)) != len(pieces):
        raise SystemExit("two merges give the same piece; ids by rank would not be unique")
    return {piece: index for index, piece in enumerate(pieces)}


def build(vocabulary, merges):
    """The Hugging Face tokenizer with our ids."""
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    return tokenizer


def write(folder, vocabulary, merges):
    os.makedirs(folder, exist_ok=True)
    build(vocabulary, merges).save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "encoder.json"), "w", encoding="ascii") as file:
        json.dump(vocabulary, file)
    with open(os.path.join(folder, "vocab.bpe"), "w", encoding="utf-8", newline="\n") as file:
        file.write("#version: 0.2\n")
        file.writelines(f"{left} {right}\n" for left, right in merges)


def encode_plainly(folder, text):
    """Ids by the definition, without any tokenizer library: the lowest-ranked merge first. Knows no special token."""
    import regex
    with open(os.path.join(folder, "encoder.json"), encoding="utf-8") as file:
        ids = json.load(file)
    with open(os.path.join(folder, "vocab.bpe"), encoding="utf-8") as file:
        ranks = {tuple(line.split()): rank for rank, line in enumerate(file.read().split("\n")[1:]) if line}
    shown = {ord(character): character for character in byte_alphabet() if ord(character) < 0x100}
    hidden = iter(character for character in byte_alphabet() if ord(character) >= 0x100)
    letters = [shown[byte] if byte in shown else next(hidden) for byte in range(256)]
    result = []
    for word in regex.findall(SPLITTING, text):
        pieces = [letters[byte] for byte in word.encode()]
        while len(pieces) > 1:
            rank, i = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(zip(pieces, pieces[1:])))
            if rank == len(ranks):
                break
            pieces[i:i + 2] = [pieces[i] + pieces[i + 1]]
        result += [ids[piece] for piece in pieces]
    return result


def compare(folder, text):
    """Both formats must give the same ids for the text and give the text back; returns the number of ids."""
    from transformers import GPT2Tokenizer
    ours = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    theirs = GPT2Tokenizer(vocab=os.path.join(folder, "encoder.json"), merges=os.path.join(folder, "vocab.bpe"))
    checks = [text, text + END + text[:100], "", " ", "  two  spaces\n\n\ttab \r\n", "it's we'll I'D 1234",
              "日本語 👍🏽 Ünïcode…"]
    for check in checks:
        ids = ours.encode(check).ids
        if ids != theirs(check)["input_ids"]:
            raise SystemExit(f"tokenizer.json and encoder.json disagree on {check[:40]!r}")
        if END not in check and ids != encode_plainly(folder, check):
            raise SystemExit(f"the definition gives other ids for {check[:40]!r}")
        if ours.decode(ids, skip_special_tokens=False) != check:
            raise SystemExit(f"decoding does not give back {check[:40]!r}")
    return len(ours.encode(text).ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, help="training text, pages closed by <|endoftext|>")
    parser.add_argument("--out", required=True, help="folder for the three files")
    parser.add_argument("--check", required=True, help="text on which the two formats are compared")
    parser.add_argument("--vocabulary", type=int, default=1280, help="ids, <|endoftext|> included (default: %(default)s)")
    options = parser.parse_args()
    # Cut at the page ends, or merges across <|endoftext|> would be learnt that no model ever sees.
    with open(options.text, encoding="utf-8") as file:
        pages = file.read().split(END + "\n")
    merges = train(pages, options.vocabulary)
    vocabulary = vocabulary_of(merges)
    write(options.out, vocabulary, merges)
    with open(options.check, encoding="utf-8") as file:
        text = file.read()
    count = compare(options.out, text)
    print(f"{len(vocabulary)} ids, {len(merges)} merges; {options.check}: {count} ids, "
          f"{len(text.encode()) / count:.3f} bytes each, both formats agree")


if __name__ == "__main__":
    main()
