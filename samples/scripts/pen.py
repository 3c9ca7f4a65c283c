"""A seeded writer: picks words and people, and keeps pronouns and articles right."""
import random

import inflect
import lexicon


class Person:
    """Somebody in a text, with the pronouns that go with the name."""

    def __init__(self, name, pronoun, relative=None):
        self.name = name
        self.he = pronoun
        self.him = "him" if pronoun == "he" else "her"
        self.his = "his" if pronoun == "he" else "her"
        self.He = pronoun.capitalize()
        self.His = self.his.capitalize()
        self.kind = "boy" if pronoun == "he" else "girl"
        self.relative = relative

    def __str__(self):
        return self.name


class Pen:
    """Random choices for a text. Two pens with the same seed write the same text."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *options):
        """One of the arguments, or of the only argument's elements."""
        return self.random.choice(options[0] if len(options) == 1 else options)

    def several(self, options, count):
        return self.random.sample(list(options), count)

    def chance(self, probability):
        return self.random.random() < probability

    def number(self, low, high):
        """A whole number in low...high."""
        return self.random.randint(low, high)

    def maybe(self, probability, text):
        return text if self.chance(probability) else ""

    def people(self, count):
        """Different people, girls and boys mixed."""
        chosen = []
        while len(chosen) < count:
            he = self.chance(0.5)
            name = self.pick(lexicon.HE_NAMES if he else lexicon.SHE_NAMES)
            if all(name != person.name for person in chosen):
                chosen.append(Person(name, "he" if he else "she"))
        return chosen

    def person(self):
        return self.people(1)[0]

    def relative(self, of):
        """A relative: `his grandmother`."""
        pronoun = self.pick("she", "he")
        word = self.pick(lexicon.RELATIVES[pronoun])
        return Person(f"{of.his} {word}", pronoun, relative=word)

    def noun(self, *groups):
        """A noun of one of the groups, which are names of `lexicon.NOUN_GROUPS`."""
        return self.pick(lexicon.NOUN_GROUPS[self.pick(groups)])

    def described(self, noun, group, probability=0.55):
        """The noun, often with an adjective that suits its group: `old clock`."""
        if not self.chance(probability):
            return noun
        adjectives = {"food": lexicon.FOOD_ADJECTIVES, "animal": lexicon.ANIMAL_ADJECTIVES,
                      "person": lexicon.BEING_ADJECTIVES}.get(group, lexicon.THING_ADJECTIVES + lexicon.COLOURS)
        return f"{self.pick(adjectives)} {noun}"

    def object_of(self, groups, probability=0.55):
        """A noun phrase without article for one of the groups in a string such as `food toy`."""
        group = self.pick(groups.split())
        return self.described(self.noun(group), group, probability)

    def place(self):
        """(the way there, being there): `to the park`, `in the park`."""
        return self.pick(lexicon.PLACES)

    def adverb(self):
        return self.pick(lexicon.ADVERBS)

    def joined(self, items, last="and"):
        """`a, b and c`."""
        items = list(items)
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"

    def a(self, phrase):
        return inflect.article(phrase)
