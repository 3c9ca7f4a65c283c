"""Writes samples/instructions.json: 1,100 small instructions with their answers, in Alpaca's form.

    python3 make_instructions.py

Eight tasks over the words of `lexicon.py`, several phrasings each, every record different. The same file every time.
"""
import json
import os

import inflect
import lexicon
import pen as pens

SEED = 20
HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = {
    "passive": 330, "past": 150, "plural": 150, "opposite": 70, "article": 100, "order": 120, "spelling": 100, "sum": 80}


def article_phrase(pen, group):
    return "the " + pen.pick(lexicon.NOUN_GROUPS[group])


def passive(pen):
    """The cook broke the plate. -> The plate was broken by the cook."""
    _, past, participle, groups = pen.pick(lexicon.TRANSITIVE_VERBS)
    agent = pen.pick(pen.person().name, "the " + pen.pick(lexicon.NOUN_GROUPS["person"]))
    thing = article_phrase(pen, pen.pick(groups.split()))
    active = f"{agent} {past} {thing}."
    return (
        pen.pick("Change the sentence into the passive.", "Rewrite this sentence in the passive voice.", "Make the sentence passive."),
        active[0].upper() + active[1:],
        f"{thing[0].upper()}{thing[1:]} was {participle} by {agent}.")


def past(pen):
    """walk -> walked"""
    if pen.chance(0.5):
        base, form = pen.pick(lexicon.INTRANSITIVE_VERBS)
    else:
        base, form, _, _ = pen.pick(lexicon.TRANSITIVE_VERBS)
    return (
        pen.pick("Give the past tense of the verb.", "Put this verb into the past.", "What is the past form of this verb?"), base, form)


def plural(pen):
    """mouse -> mice"""
    group = pen.pick("food", "toy", "cloth", "tool", "thing", "vehicle", "plant", "animal", "person")
    noun = pen.pick(lexicon.NOUN_GROUPS[group])
    return pen.pick("Give the plural of the word.", "Write the plural.", "What is the plural of this word?"), noun, inflect.plural(noun)


def opposite(pen):
    """hot -> cold"""
    pair = list(pen.pick(lexicon.OPPOSITES))
    if pen.chance(0.5):
        pair.reverse()
    return pen.pick("Give the opposite of the word.", "What is the opposite?", "Write the opposite of this word."), pair[0], pair[1]


def article(pen):
    """old owl -> an old owl"""
    noun = pen.pick(lexicon.NOUN_GROUPS[pen.pick("food", "animal", "thing", "vehicle")])
    phrase = f"{pen.pick(lexicon.ANIMAL_ADJECTIVES)} {noun}" if pen.chance(0.5) else noun
    return pen.pick("Put 'a' or 'an' in front.", "Write this with 'a' or 'an'."), phrase, inflect.article(phrase)


def order(pen):
    """pear, apple -> apple, pear"""
    words = pen.several(sorted(set(lexicon.FOODS + lexicon.TOYS + lexicon.VEHICLES)), 2)
    return (
        pen.pick("Sort the words by the alphabet.", "Put these words in alphabetical order."), ", ".join(words), ", ".join(sorted(words)))


def spelling(pen):
    """cat -> c-a-t"""
    short = [word for group in ("animal", "food", "toy", "tool") for word in lexicon.NOUN_GROUPS[group] if len(word) < 6 and word.isascii()]
    word = pen.pick(sorted(set(short)))
    return pen.pick("Spell the word.", "Spell this word, letter by letter."), word, "-".join(word)


def total(pen):
    """4 + 3 -> 7"""
    first, second = pen.number(1, 12), pen.number(1, 12)
    return pen.pick("Add the numbers.", "What is the sum?"), f"{first} + {second}", str(first + second)


TASKS = {
    "passive": passive, "past": past, "plural": plural, "opposite": opposite, "article": article, "order": order, "spelling": spelling,
    "sum": total}


def records():
    pen = pens.Pen(SEED)
    made, seen = [], set()
    for task, count in COUNTS.items():
        missing = count
        while missing:
            instruction, text, answer = TASKS[task](pen)
            if (instruction, text) in seen:
                continue
            seen.add((instruction, text))
            made.append({"instruction": instruction, "input": text, "output": answer})
            missing -= 1
    pen.random.shuffle(made)
    return made


if __name__ == "__main__":
    path = os.path.join(HERE, "..", "instructions.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(records(), file, ensure_ascii=False, indent=1)
        file.write("\n")
    print(f"{os.path.normpath(path)}: {sum(COUNTS.values())} records")
