"""English inflection for the words of `lexicon.py`: plurals, verb forms, articles, number words."""
from lexicon import IRREGULAR_PLURALS, SMALL_NUMBERS, TENS

VOWELS = "aeiou"
# Two-syllable verbs stressed on the first syllable, which do not double their last letter.
UNDOUBLED = {"listen", "whisper", "water", "open", "visit", "answer", "cover", "follow", "borrow", "steer"}


def plural(noun):
    """`mouse` -> `mice`, `box` -> `boxes`, `cherry` -> `cherries`; `mushroom` -> `mushrooms`."""
    if noun in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[noun]
    if noun.endswith("y") and noun[-2] not in VOWELS:
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "ch", "sh", "z")):
        return noun + "es"
    return noun + "s"


def counted(number, noun):
    """`1, apple` -> `1 apple`; `3, mouse` -> `3 mice`."""
    return f"{number} {noun if number == 1 else plural(noun)}"


def article(phrase):
    """Puts `a` or `an` before a noun phrase, by sound as far as these words need it."""
    exceptions = ("useful", "unicorn", "uniform", "one")
    vowel = phrase[0].lower() in VOWELS and not phrase.startswith(exceptions)
    return ("an " if vowel or phrase.startswith("hour") else "a ") + phrase


def third_person(verb):
    """`carry` -> `carries`, `push` -> `pushes`, `play` -> `plays`."""
    return "does" if verb == "do" else "goes" if verb == "go" else "has" if verb == "have" else _add_s(verb)


def _add_s(verb):
    if verb.endswith("y") and verb[-2] not in VOWELS:
        return verb[:-1] + "ies"
    if verb.endswith(("s", "x", "ch", "sh", "z", "o")):
        return verb + "es"
    return verb + "s"


def gerund(verb):
    """`make` -> `making`, `run` -> `running`, `see` -> `seeing`."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    if (len(verb) > 2 and verb[-1] not in VOWELS + "wxy" and verb[-2] in VOWELS and verb[-3] not in VOWELS
            and verb not in UNDOUBLED):
        return verb + verb[-1] + "ing"
    return verb + "ing"


def number_words(number):
    """0..999 in words, as in `one hundred and seven`; negative numbers with `minus`."""
    if number < 0:
        return "minus " + number_words(-number)
    if number < 20:
        return SMALL_NUMBERS[number]
    if number < 100:
        ones = f"-{SMALL_NUMBERS[number % 10]}" if number % 10 else ""
        return TENS[number // 10] + ones
    rest = f" and {number_words(number % 100)}" if number % 100 else ""
    return f"{SMALL_NUMBERS[number // 100]} hundred{rest}"


def sentence(text):
    """Capitalises the first letter, which may stand after an opening quote."""
    for index, character in enumerate(text):
        if character.isalpha():
            return text[:index] + character.upper() + text[index + 1:]
    return text
