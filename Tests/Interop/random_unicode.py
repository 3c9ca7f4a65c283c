"""Random Unicode in our tokenizers and in the tokenizers library: the same ids, and the same text back.

    python Tests/Interop/random_unicode.py --bin .build/release [--characters 10000000] [--seed 1]

Of every family of Tests/Fixtures/tokenizers the same texts: runs of characters of one block, more often of those that splitting
and normalizing treat in a way of their own, and words and special tokens between them. The same seed gives the same texts. A text
that differs is cut down until no half of it does. Needs numpy and tokenizers, of a tekken.json mistral-common as well, and
is skipped, with the reason, without them. Exit status 1 where a text differs.
"""

import argparse
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests" / "Fixtures" / "tokenizers"
# Characters of a text: long enough for any rule that looks far ahead, short enough to tell what is wrong.
LENGTH = 8192
BATCH = 64


def texts(count, seed):
    """Texts of `count` characters together, batch by batch."""
    import numpy
    from tokenizer_vectors import INTERESTING, PIECES

    random = numpy.random.Generator(numpy.random.PCG64(seed))
    blocks = numpy.array([(low, high) for low, high, _ in INTERESTING], dtype=numpy.float64)
    weights = numpy.array([weight for _, _, weight in INTERESTING], dtype=numpy.float64)
    batch = []
    for start in range(0, count, LENGTH):
        length = min(LENGTH, count - start)
        runs = numpy.repeat(random.choice(len(blocks), length, p=weights / weights.sum()), random.integers(1, 6, length))[:length]
        low, high = blocks[runs, 0], blocks[runs, 1]
        values = (low + random.random(length) * (high - low + 1)).astype(numpy.uint32)
        # Surrogates are no characters, and a NUL ends a text for some libraries.
        values[(0xD800 <= values) & (values <= 0xDFFF) | (values == 0)] = ord("?")
        text = values.astype("<u4").tobytes().decode("utf-32-le")
        cuts = [0, *sorted(random.integers(0, length, length // 12)), length]
        words = random.integers(0, len(PIECES), len(cuts))
        batch.append("".join(PIECES[word] + text[a:b] for word, a, b in zip(words, cuts, cuts[1:])))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def ours(binary, folder, batch):
    """What our tokenizer says of some texts, a line each."""
    with tempfile.NamedTemporaryFile() as file:
        for text in batch:
            data = text.encode()
            file.write(struct.pack("<I", len(data)) + data)
        file.flush()
        done = subprocess.run([binary, "ids", str(folder), file.name], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def line(ids, shown):
    stored = hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()
    return f"{len(ids)} {stored} {hashlib.sha256(shown.encode()).hexdigest()}"


def library(folder):
    """A function from texts to the same lines by the library that the folder's file belongs to; None where it is not there."""
    if (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

        def lines(batch):
            ids = [encoding.ids for encoding in tokenizer.encode_batch(batch)]
            return [line(*pair) for pair in zip(ids, tokenizer.decode_batch(ids, skip_special_tokens=True))]

        return lines
    try:
        from mistral_common.tokens.tokenizers.tekken import SpecialTokenPolicy, Tekkenizer
    except ImportError:
        return None
    tekkenizer = Tekkenizer.from_file(folder / "tekken.json")
    # What is typed is text to it; here it would be a token.
    names = [token["token_str"] for token in tekkenizer._all_special_tokens]

    def lines(batch):
        result = []
        for text in batch:
            ids = tekkenizer.encode(text, bos=True, eos=False)
            result.append(line(ids, tekkenizer.decode(ids, special_token_policy=SpecialTokenPolicy.IGNORE)))
        return result

    lines.without = names
    return lines


def smallest(binary, folder, theirs, text):
    """A part of a text that differs, of which neither half does."""
    while len(text) > 1:
        halves = [text[: len(text) // 2], text[len(text) // 2 :]]
        found = ours(binary, folder, halves)
        wrong = [half for half, a, b in zip(halves, found, theirs(halves)) if a != b]
        if not wrong:
            break
        text = wrong[0]
    return text


def compare(binary, folder, count, seed):
    """An account of a family, and whether all was equal."""
    theirs = library(folder)
    if theirs is None:
        return "skipped: mistral-common is not installed", True
    start, compared = time.monotonic(), 0
    for batch in texts(count, seed):
        for name in getattr(theirs, "without", []):
            batch = [text.replace(name, "") for text in batch]
        for text, a, b in zip(batch, ours(binary, folder, batch), theirs(batch)):
            if a != b:
                part = smallest(binary, folder, theirs, text)
                return f"after {compared} characters: {part!r}: ours {ours(binary, folder, [part])}, theirs {theirs([part])}", False
            compared += len(text)
    return f"{compared} characters in {time.monotonic() - start:.0f} s", True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the tools")
    parser.add_argument("--characters", type=int, default=10_000_000, help="of each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="families whose names contain this")
    options = parser.parse_args()
    try:
        import numpy  # noqa: F401
        import tokenizers  # noqa: F401
    except ImportError as error:
        print(f"skipped: {error}")
        return 0
    failed = 0
    folders = [path.parent for pattern in ["tokenizer.json", "tekken.json"] for path in FIXTURES.rglob(pattern)]
    for folder in sorted(set(folders)):
        if options.only and options.only not in folder.name:
            continue
        said, is_equal = compare(f"{options.bin}/kernelbench", folder, options.characters, options.seed)
        failed += not is_equal
        print(f"{'ok  ' if is_equal else 'FAIL'} {folder.relative_to(FIXTURES)}: {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
