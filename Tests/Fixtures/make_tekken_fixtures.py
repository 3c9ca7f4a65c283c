"""A tiny tekken.json, and what Mistral's library makes of texts with it.

    python make_tekken_fixtures.py          writes tokenizers/tekken-json again

Needs mistral-common and tokenizers. The tokens are those of tokenizers/families/tekken, ranked as they were merged in its training;
a few more are listed than the size of the vocabulary leaves room for. Before anything is written, the tokenizers library, given
the same tokens and every way to merge them, has to give the same ids.
"""

import base64
import json
import sys
from pathlib import Path

from mistral_common.tokens.tokenizers.tekken import SpecialTokenPolicy, Tekkenizer
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Interop"))
from tokenizer_families import TEKKEN, TEXTS  # noqa: E402

OUT = HERE / "tokenizers" / "tekken-json"
NAMES = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "<pad>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"]
SPECIAL_COUNT, UNUSED_COUNT = 12, 5


def spelling_of_bytes():
    """GPT-2's characters, by the byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + index) for index, byte in enumerate(others)}}


def main():
    spelling = spelling_of_bytes()
    byte_of = {character: byte for byte, character in spelling.items()}
    model = json.loads((HERE / "tokenizers/families/tekken/tokenizer.json").read_text())["model"]
    merges = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
    ranked = [bytes([byte]) for byte in range(256)] + [bytes(byte_of[c] for c in left + right) for left, right in merges]
    ranked = list(dict.fromkeys(ranked))
    size = SPECIAL_COUNT + len(ranked) - UNUSED_COUNT

    def shown(token):
        try:
            return token.decode()
        except UnicodeDecodeError:
            return None

    document = {
        "config": {
            "pattern": TEKKEN, "num_vocab_tokens": len(ranked), "default_vocab_size": size,
            "default_num_special_tokens": SPECIAL_COUNT, "version": "v11"},
        "vocab": [
            {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": shown(token)} for rank, token in enumerate(ranked)],
        "special_tokens": [{"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(NAMES)],
    }
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "tekken.json"
    path.write_text(json.dumps(document, ensure_ascii=False))
    theirs = Tekkenizer.from_file(path)

    used = ranked[: len(ranked) - UNUSED_COUNT]
    ranks = {token: rank for rank, token in enumerate(used)}
    vocabulary = {"".join(spelling[byte] for byte in token): SPECIAL_COUNT + rank for token, rank in ranks.items()}
    pairs = []
    for token in used[256:]:
        cuts = [(token[:middle], token[middle:]) for middle in range(1, len(token))]
        pairs += [
            tuple("".join(spelling[byte] for byte in half) for half in cut) for cut in cuts if cut[0] in ranks and cut[1] in ranks]
    same = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, ignore_merges=True))
    same.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(TEKKEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    same.decoder = decoders.ByteLevel()

    cases = []
    for text in TEXTS:
        if any(name in text for name in NAMES):
            continue
        ids = theirs.encode(text, bos=True, eos=False)
        assert ids[1:] == same.encode(text).ids, text
        cases.append({"text": text, "ids": ids, "shown": theirs.decode(ids, special_token_policy=SpecialTokenPolicy.IGNORE)})
    (OUT / "vectors.json").write_text(json.dumps({"tokenizer": ".", "cases": cases}, ensure_ascii=False))
    print(f"{len(used)} tokens, {len(cases)} texts")


if __name__ == "__main__":
    main()
