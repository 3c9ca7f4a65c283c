"""Writes the letters, numbers and word characters of the splitting rules, as the tokenizers library takes them.

    python character_classes.py > ../../Sources/Tokenization/Splitting/CharacterRanges.swift

The library asks Oniguruma for letters and numbers, and another library for what is inside of a word; the Unicode versions of
both are neither Python's nor Swift's; ids must not depend on ours.
"""

from tokenizers import Regex, pre_tokenizers

SCALARS = [value for value in range(0x110000) if not 0xD800 <= value <= 0xDFFF]


def members(pattern):
    splitter = pre_tokenizers.Split(Regex(pattern), "removed")
    left = set()
    for start in range(0, len(SCALARS), 1000):
        text = "".join(map(chr, SCALARS[start : start + 1000]))
        for piece, _ in splitter.pre_tokenize_str(text):
            left.update(map(ord, piece))
    return [value for value in SCALARS if value not in left]


def word_characters():
    """What the library's `\\w` takes between two letters."""
    splitter, found = pre_tokenizers.Whitespace(), []
    for start in range(0, len(SCALARS), 1000):
        scalars = SCALARS[start : start + 1000]
        pieces = splitter.pre_tokenize_str(" ".join(f"a{chr(value)}a" for value in scalars))
        whole = {position for piece, (position, _) in pieces if len(piece) == 3}
        found += [value for index, value in enumerate(scalars) if 4 * index in whole]
    return found


def ranges(values):
    first = last = values[0]
    for value in values[1:]:
        if value != last + 1:
            yield first, last
            first = value
        last = value
    yield first, last


def show(name, comment, values):
    bounds = [f"0x{bound:x}" for pair in ranges(values) for bound in pair]
    lines = [""]
    for bound in bounds:
        if len(lines[-1]) + len(bound) > 128:
            lines.append("")
        lines[-1] += f" {bound},"
    print(f"    /// {comment}")
    print(f"    static let {name}: [UInt32] = [")
    print("\n".join("       " + line for line in lines))
    print("    ]")


print("/// First and last scalar of each range of letters, numbers and word characters, as the tokenizers library takes them.")
print("///")
print("/// Written by `Tests/Interop/character_classes.py`. A table of our own, because the standard library's follows the")
print("/// toolchain's Unicode version, and the ids of a text must not.")
print("enum CharacterRanges {")
show("letters", "`\\p{L}`", members(r"\p{L}"))
print()
show("numbers", "`\\p{N}`", members(r"\p{N}"))
print()
show("words", "`\\w`: letters, marks, decimal digits, connecting punctuation and joiners.", word_characters())
print("}")
