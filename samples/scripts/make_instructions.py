"""Writes samples/instructions.json: 1,100 small instructions with their answers, in Alpaca's form.

    python3 make_instructions.py

Ten tasks over words of `lexicon.py`, several phrasings each. The words are few, so that a model of a million parameters can
learn what is asked; no record stands there twice, so that a held-out record is another sentence of the same words, or the
same word in another phrasing. Answers are whole sentences, and words have a space in front: for a tokenizer of this kind a
word at the start of a line is another token than the one that the models know. The same file every time.
"""
import itertools
import json
import os

import inflect
import lexicon
import pen as pens

SEED = 20
HERE = os.path.dirname(os.path.abspath(__file__))


def phrased(phrasings, answer, *words):
    """A record for each phrasing of one question."""
    return [(phrasing.format(*words), answer) for phrasing in phrasings]


def passive(pen):
    """The cook broke the plate. -> The plate was broken by the cook."""
    agents = pen.several(lexicon.HE_NAMES[:12] + lexicon.SHE_NAMES[:12], 8) + [
        f"the {job}" for job in pen.several(lexicon.NOUN_GROUPS["person"], 8)]
    verbs = pen.several([verb for verb in lexicon.TRANSITIVE_VERBS if set(verb[3].split()) & {"food", "toy", "animal"}], 16)
    things = {group: pen.several(lexicon.NOUN_GROUPS[group], 8) for group in ("food", "toy", "animal")}
    made = []
    for agent, (_, past, participle, groups) in itertools.product(agents, verbs):
        group = pen.pick([group for group in groups.split() if group in things])
        thing = f"the {pen.pick(things[group])}"
        phrasing = pen.pick("Change into the passive: {}", "Rewrite in the passive voice: {}", "Make this sentence passive: {}")
        made.append((
            phrasing.format(inflect.sentence(f"{agent} {past} {thing}.")), inflect.sentence(f"{thing} was {participle} by {agent}.")))
    return made


def opposite(pen):
    """hot -> cold"""
    made = []
    for pair in lexicon.OPPOSITES[:25]:
        for first, second in (pair, pair[::-1]):
            made += phrased(
                ("What is the opposite of {}?", "Give the opposite of {}.", "Say the opposite of {}, please."),
                f"The opposite of {first} is {second}.", first)
    return made


def plural(pen):
    """mouse -> mice"""
    regular = [noun for group in ("food", "toy", "cloth", "tool", "thing", "vehicle") for noun in pen.several(lexicon.NOUN_GROUPS[group], 7)]
    made = []
    for noun in list(dict.fromkeys(regular + ["mouse", "goose", "sheep", "wolf"])):
        made += phrased(
            ("What is the plural of {}?", "Give the plural of {}.", "There is one {}. What are two of them?"),
            f"One {noun}, two {inflect.plural(noun)}.", noun)
    return made


def past(pen):
    """break -> broke"""
    made = []
    for base, form, _, _ in pen.several(lexicon.TRANSITIVE_VERBS, 40):
        made += phrased(
            ("What is the past tense of {}?", "Put {} into the past.", "Today I {}. And yesterday?"),
            f"Today I {base}, yesterday I {form}.", base)
    return made


def animal(pen):
    """owl -> what it eats, where it lives, what it does"""
    made = []
    for name, _, home, food, _, _, _, does in pen.several(lexicon.ANIMALS, 25):
        a = inflect.article(name)
        for asked, answer in ((("eat", "eats"), f"eats {food}"), (("live", "lives"), f"lives {home}"), (("do", "does"), does)):
            word = "Where" if asked[0] == "live" else "What"
            made += phrased(
                (f"{word} does {a} {asked[0]}?", f"Tell me {word.lower()} {a} {asked[1]}."), inflect.sentence(f"{a} {answer}."))
    return made


def job(pen):
    """baker -> what he does, where he works, what he needs"""
    made = []
    for name, does, tool, place in pen.several(lexicon.JOBS, 13):
        a = inflect.article(name)
        for asked, answer in ((("do", "does"), does), (("work", "works"), f"works {place}"), (("need", "needs"), f"needs {tool}")):
            word = "Where" if asked[0] == "work" else "What"
            made += phrased(
                (f"{word} does {a} {asked[0]}?", f"Tell me {word.lower()} {a} {asked[1]}."), inflect.sentence(f"{a} {answer}."))
    return made


def sequence(pen):
    """Monday -> Tuesday"""
    made = []
    for kind, names in (("day", lexicon.DAYS), ("month", lexicon.MONTHS)):
        for index, name in enumerate(names):
            for word, other in (("After", names[(index + 1) % len(names)]), ("Before", names[index - 1])):
                made += phrased(
                    (f"Which {kind} comes {word.lower()} {{}}?", f"What comes {word.lower()} {{}}?"), f"{word} {name} comes {other}.", name)
    return made


def total(pen):
    """four and three -> seven"""
    made = []
    for first, second in itertools.product(range(1, 6), repeat=2):
        words = [inflect.number_words(number) for number in (first, second, first + second)]
        made += phrased(
            ("How much is {} plus {}?", "Add {} and {}.", "What is {} plus {}?"), inflect.sentence("{} plus {} is {}.".format(*words)),
            *words)
    return made


def order(pen):
    """five, two -> two, five"""
    made = []
    for pair in itertools.permutations(range(1, 7), 2):
        words = [inflect.number_words(number) for number in pair]
        ordered = [inflect.number_words(number) for number in sorted(pair)]
        made += phrased(("Put {} and {} in order.", "Which comes first, {} or {}?"), "First comes {}, then {}.".format(*ordered), *words)
    return made


def spelling(pen):
    """cat -> c-a-t"""
    short = [word for group in ("animal", "food", "toy") for word in lexicon.NOUN_GROUPS[group] if len(word) < 5 and word.isascii()]
    made = []
    for word in sorted(set(short)):
        made += phrased(("Spell the word {}.", "How do you spell {}?", "Say {} letter by letter."), "-".join(word), word)
    return made


# And how many records of each.
TASKS = (
    (passive, 256), (opposite, 150), (plural, 130), (past, 120), (animal, 140), (job, 70), (sequence, 74), (total, 70), (order, 50),
    (spelling, 40))


def records():
    pen = pens.Pen(SEED)
    made = []
    for task, count in TASKS:
        made += pen.several(list(dict.fromkeys(task(pen))), count)
    pen.random.shuffle(made)
    return [{"instruction": instruction, "input": "", "output": answer} for instruction, answer in made]


if __name__ == "__main__":
    path = os.path.join(HERE, "..", "instructions.json")
    made = records()
    with open(path, "w", encoding="utf-8") as file:
        json.dump(made, file, ensure_ascii=False, indent=1)
        file.write("\n")
    print(f"{os.path.normpath(path)}: {len(made)} records")
