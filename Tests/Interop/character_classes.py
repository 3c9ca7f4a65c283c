"""Writes the tables of characters in Sources/Checkpoints/Tokenization, as the tokenizers library takes them.

    python character_classes.py ranges > ../../Sources/Checkpoints/Tokenization/Splitting/CharacterRanges.swift
    python character_classes.py categories > ../../Sources/Checkpoints/Tokenization/Splitting/CategoryRuns.swift
    python character_classes.py compatibility > ../../Sources/Checkpoints/Tokenization/Normalizing/CompatibilityMappings.swift
    python character_classes.py composition > ../../Sources/Checkpoints/Tokenization/Normalizing/CompositionRanges.swift

The library asks Oniguruma for categories, and other libraries for what is inside of a word, a digit or punctuation; the Unicode
versions of none of them are Python's or Swift's, and ids must not depend on ours.
"""

import sys

from tokenizers import Regex, normalizers, pre_tokenizers

SCALARS = [value for value in range(0x110000) if not 0xD800 <= value <= 0xDFFF]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
SOURCE = """///
/// Written by `Tests/Interop/character_classes.py`. A table of our own, because the standard library's follows the
/// toolchain's Unicode version, and the ids of a text must not."""


def members(pattern):
    splitter = pre_tokenizers.Split(Regex(pattern), "removed")
    left = set()
    for start in range(0, len(SCALARS), 1000):
        text = "".join(map(chr, SCALARS[start : start + 1000]))
        for piece, _ in splitter.pre_tokenize_str(text):
            left.update(map(ord, piece))
    return [value for value in SCALARS if value not in left]


def pieces_between_letters(splitter, count):
    """Scalars with which `a?a` becomes so many pieces."""
    return [value for value in SCALARS if len(splitter.pre_tokenize_str(f"a{chr(value)}a")) == count]


def ranges(values):
    first = last = values[0]
    for value in values[1:]:
        if value != last + 1:
            yield first, last
            first = value
        last = value
    yield first, last


def lines_of(numbers):
    lines = [""]
    for number in numbers:
        text = f"0x{number:x}"
        if len(lines[-1]) + len(text) > 128:
            lines.append("")
        lines[-1] += f" {text},"
    return "\n".join("       " + line for line in lines)


def show(name, comment, numbers):
    print(f"    /// {comment}")
    print(f"    static let {name}: [UInt32] = [")
    print(lines_of(numbers))
    print("    ]")


def show_ranges():
    print("/// First and last scalar of each range of characters that are no general category.")
    print(SOURCE)
    print("enum CharacterRanges {")
    sets = [
        ("words", "`\\w` inside of added tokens and of `Whitespace`: letters, marks, decimal digits, joiners and `_`.",
         pieces_between_letters(pre_tokenizers.Whitespace(), 1)),
        ("expressionWords", "`\\w` in expressions.", members(r"\w")),
        ("numerals", "What `Digits` cuts off: `\\p{N}` of a later Unicode.",
         pieces_between_letters(pre_tokenizers.Digits(individual_digits=True), 3)),
        ("punctuation", "What `Punctuation` cuts off: ASCII's, symbols among them, and `\\p{P}` of an earlier Unicode.",
         pieces_between_letters(pre_tokenizers.Punctuation("isolated"), 3)),
    ] + [(script.lower(), f"`\\p{{{script}}}`", members(rf"\p{{{script}}}")) for script in ("Han", "Hangul", "Hiragana", "Katakana")]
    for index, (name, comment, values) in enumerate(sets):
        if index > 0:
            print()
        show(name, comment, [bound for pair in ranges(values) for bound in pair])
    print("}")


def show_categories():
    category = {}
    for index, name in enumerate(CATEGORIES):
        category.update((value, index) for value in members(rf"\p{{{name}}}"))
    runs = []
    for value in range(0x110000):
        index = category.get(value, CATEGORIES.index("Cn"))
        if not runs or runs[-1] & 31 != index:
            runs.append(value << 5 | index)
    print("/// The general category of every scalar, in runs.")
    print(SOURCE)
    print("enum CategoryRuns {")
    print("    /// In the order of the numbers that `runs` holds.")
    print("    static let names = [")
    print("        " + ", ".join(f'"{name}"' for name in CATEGORIES) + ",")
    print("    ]")
    print()
    show("runs", "The first scalar of a run << 5 | the number of its category; it ends where the next begins.", runs)
    print("}")


def show_compatibility():
    compatible, canonical = normalizers.NFKD(), normalizers.NFD()
    numbers = []
    for value in SCALARS:
        mapped = compatible.normalize_str(chr(value))
        if mapped != canonical.normalize_str(chr(value)):
            numbers += [value << 8 | len(mapped)] + list(map(ord, mapped))
    print("/// What scalars become in Unicode's compatibility forms, where it is more than canonical decomposition.")
    print(SOURCE)
    print("enum CompatibilityMappings {")
    show("list", "A scalar << 8 | how many it becomes; then those, decomposed.", numbers)
    print("}")


def show_composition():
    compose, decompose = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
    # Combining marks go in the order of their classes: behind the highest and before the lowest of all.
    marks = {value for value in SCALARS
             if decompose(f"q\u0345{chr(value)}")[1:] == chr(value) + "\u0345" or decompose(f"q{chr(value)}\u0334")[1:] == "\u0334" + chr(value)}
    marks |= {0x334, 0x345}
    decomposed, changed, firsts, seconds = set(), set(), set(), set()
    for value in SCALARS:
        parts = decompose(chr(value))
        if parts == chr(value):
            continue
        decomposed.add(value)
        if compose(chr(value)) != chr(value):
            changed.add(value)
        else:
            firsts.add(ord(compose(parts[:-1])))
            seconds.add(ord(parts[-1]))
    print("/// First and last scalar of each range of characters that Unicode's forms C and D do something to.")
    print(SOURCE)
    print("enum CompositionRanges {")
    sets = [
        ("marks", "What the form D decomposes or sorts.", marks | decomposed),
        ("followers", "What the form C changes, sorts, or may put together with what is before it.", marks | seconds | changed),
        ("leaders", "What the form C may put together with what follows.", firsts | decomposed - changed),
    ]
    for index, (name, comment, values) in enumerate(sets):
        if index > 0:
            print()
        show(name, comment, [bound for pair in ranges(sorted(values)) for bound in pair])
    print("}")


{
    "ranges": show_ranges, "categories": show_categories, "compatibility": show_compatibility, "composition": show_composition,
}[sys.argv[1]]()
