"""Everything that is no story: facts, grammar, arithmetic, lists, dialogues, letters, weather.

The facts, grammar and arithmetic are true and always the same, so a model can learn them by heart; later tasks
(opposites, plurals, the passive, sums) ask for them in another form.
"""
import inflect
import lexicon
from inflect import counted, gerund, number_words, plural, sentence, third_person


def animal_fact(pen):
    name, sound, home, food, colour, size, legs, does = pen.pick(lexicon.ANIMALS)
    lines = [f"{pen.a(name).capitalize()} is an animal.",
             f"It lives {home}.", f"It eats {food}.",
             f"It is {size} and {colour}." if size not in ("tiny", "huge") else f"It is {size}, and often {colour}.",
             f"It has {legs} legs.", f"It {does}.", f"It {sound}.", f"One {name}, two {plural(name)}."]
    return " ".join([lines[0]] + pen.several(lines[1:], pen.number(3, 6)))


def job_fact(pen):
    job, does, tool, place = pen.pick(lexicon.JOBS)
    return " ".join(pen.several([f"{sentence(pen.a(job))} {does}.", f"{sentence(pen.a(job))} works {place}.",
                                 f"{sentence(pen.a(job))} needs {tool}."], 3))


def opposites(pen):
    lines = []
    for first, second in pen.several(lexicon.OPPOSITES, pen.number(2, 6)):
        if pen.chance(0.3):
            first, second = second, first
        lines.append(pen.pick(f"The opposite of {first} is {second}.", f"{first.capitalize()} is the opposite of {second}.",
                              f"If it is not {first}, it is {second}."))
    return pen.pick(" ", "\n").join(lines)


def plurals(pen):
    groups = ("food", "toy", "cloth", "tool", "thing", "vehicle", "animal", "person", "plant")
    lines = []
    for _ in range(pen.number(3, 7)):
        noun = pen.noun(*groups)
        lines.append(pen.pick(f"One {noun}, two {plural(noun)}.", f"one {noun}, many {plural(noun)}",
                              f"The plural of {noun} is {plural(noun)}."))
    return "\n".join(lines)


def clause(pen):
    """(active sentence, passive sentence) in the past, without capital and full stop."""
    base, past, participle, groups = pen.pick(lexicon.TRANSITIVE_VERBS)
    patient = "the " + pen.object_of(groups, 0.4)
    doer = str(pen.person()) if pen.chance(0.4) else "the " + pen.object_of("person animal", 0.4)
    if groups in ("page", "box", "instrument", "cloth") and not doer[0].isupper():
        doer = "the " + pen.noun("person")
    return f"{doer} {past} {patient}", f"{patient} was {participle} by {doer}", (doer, base, past, patient)


def passive(pen):
    lines = []
    for _ in range(pen.number(2, 4)):
        active, passive_, _ = clause(pen)
        lines.append(f"{sentence(active)}. {sentence(passive_)}.")
    return "\n".join(lines)


def questions(pen):
    lines = []
    for _ in range(pen.number(2, 4)):
        _, _, (doer, base, past, patient) = clause(pen)
        lines.append(pen.pick(
            f"Did {doer} {base} {patient}? Yes, {doer} {past} {patient}.",
            f"Did {doer} {base} {patient}? No, {doer} did not {base} {patient}.",
            f"Who {past} {patient}? {sentence(doer)} did.",
            f"What did {doer} do? {sentence(doer)} {past} {patient}."))
    return "\n".join(lines)


def verb_forms(pen):
    lines = []
    for base, past, participle, _ in pen.several(lexicon.TRANSITIVE_VERBS, pen.number(2, 4)):
        hero = pen.person()
        lines.append(pen.pick(
            f"Today I {base}, yesterday I {past}, I have often {participle}.",
            f"{hero} likes {gerund(base)}. {hero.He} {third_person(base)} every day. Yesterday {hero.he} {past} too.",
            f"{base}, {past}, {participle}"))
    return "\n".join(lines)


def comparisons(pen):
    pairs = (("bigger", "smaller", ("elephant", "horse", "dog", "cat", "mouse", "ant")),
             ("faster", "slower", ("plane", "train", "car", "bike", "cart", "turtle")),
             ("heavier", "lighter", ("stone", "table", "chair", "book", "pencil", "feather")),
             ("older", "younger", ("grandmother", "mother", "sister", "baby")))
    more, less, order = pen.pick(pairs)
    i, j, k = sorted(pen.several(range(len(order)), 3))
    a, b, c = order[i], order[j], order[k]
    return (f"The {a} is {more} than the {b}. The {b} is {more} than the {c}. "
            + pen.pick(f"So the {a} is {more} than the {c}.", f"So the {c} is {less} than the {a}."))


def sums(pen):
    """Sums and products with their true results, in figures or in words."""
    kind = pen.pick("figures", "figures", "words", "table")
    if kind == "table":
        factor = pen.number(2, 10)
        start = pen.number(1, 5)
        return "\n".join(f"{n} x {factor} = {n * factor}" for n in range(start, start + pen.number(3, 6)))
    lines = []
    for _ in range(pen.number(3, 6)):
        a, b = pen.number(0, 12), pen.number(0, 12)
        if kind == "figures":
            lines.append(pen.pick(f"{a} + {b} = {a + b}", f"{a + b} - {b} = {a}", f"{a} x {b} = {a * b}"))
        else:
            a_, b_, sum_ = number_words(a), number_words(b), number_words(a + b)
            lines.append(sentence(pen.pick(f"{a_} plus {b_} is {sum_}.", f"{sum_} minus {b_} is {a_}.")))
    return (" " if kind == "words" else "\n").join(lines)


def word_problem(pen):
    hero, friend = pen.people(2)
    noun = pen.noun("food", "toy", "thing")
    have, change = pen.number(2, 12), pen.number(1, 8)
    if pen.chance(0.5):
        change = min(change, have - 1)
        left = have - change
        verb = pen.pick("gave", "lost", "sold", "ate") if noun in lexicon.FOODS else pen.pick("gave", "lost", "sold")
        to = f" to {friend}" if verb in ("gave", "sold") else ""
        return (f"{hero} had {counted(have, noun)}. {hero.He} {verb} {counted(change, noun)}{to}. How many "
                f"{plural(noun)} did {hero.he} have then? {have} - {change} = {left}. "
                f"{hero.He} had {counted(left, noun)}.")
    total = have + change
    verb = pen.pick("found", "bought", "got")
    return (f"{hero} had {counted(have, noun)}. {hero.He} {verb} {counted(change, noun)} more. How many "
            f"{plural(noun)} did {hero.he} have then? {have} + {change} = {total}. {hero.He} had {counted(total, noun)}.")


def sequence(pen):
    kind = pen.pick("numbers", "words", "days", "months", "steps", "letters")
    if kind in ("days", "months"):
        names = lexicon.DAYS if kind == "days" else lexicon.MONTHS
        i = pen.number(0, len(names) - 1)
        return (f"After {names[i]} comes {names[(i + 1) % len(names)]}. "
                f"Before {names[i]} comes {names[i - 1]}.")
    if kind == "letters":
        i, n = pen.number(0, 20), pen.number(4, 6)
        return " ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i:i + n])
    step = 1 if kind != "steps" else pen.pick(2, 5, 10)
    start = pen.number(0, 12) * step
    numbers = [start + i * step for i in range(pen.number(5, 9))]
    return ", ".join(str(n) if kind != "words" else number_words(n) for n in numbers)


def shopping_list(pen):
    items = []
    for _ in range(pen.number(3, 7)):
        if pen.chance(0.35):
            items.append(f"{pen.pick('a bottle of', 'a bag of', 'some', 'a little')} {pen.pick(lexicon.MASS_FOODS)}")
        else:
            items.append(counted(pen.number(1, 12), pen.noun("food")))
    title = pen.pick("Shopping list", f"For {pen.person()}", "To buy", f"Shopping list for {pen.pick(lexicon.DAYS)}")
    price = pen.maybe(0.3, f"\nTogether: {pen.number(3, 40)}.{pen.pick('00', '50', '20', '80')} €")
    return f"{title}:\n" + "\n".join(f"- {item}" for item in items) + price


def instructions(pen):
    title, steps = pen.pick(
        ("How to make tea", ["Boil some water.", "Put the tea into a cup.", "Pour the water into the cup.",
                             "Wait three minutes.", "Add a little sugar or honey."]),
        ("How to plant a tree", ["Find a sunny place.", "Dig a deep hole.", "Put the tree into the hole.",
                                 "Fill the hole with earth.", "Water the tree every day."]),
        ("How to make pancakes", ["Take two eggs, some flour and milk.", "Mix everything in a bowl.",
                                  "Put butter into a hot pan.", "Pour the mix into the pan.", "Turn the pancake.",
                                  "Eat it with jam."]),
        ("How to wash a dog", ["Fill a tub with warm water.", "Call the dog.", "Put the dog into the tub.",
                               "Wash it gently.", "Dry it with a towel.", "Stand back!"]),
        ("How to build a snowman", ["Roll a big ball of snow.", "Roll a smaller ball.", "Put it on the big one.",
                                    "Take a carrot for the nose.", "Give him a hat and a scarf."]),
        ("How to go to bed", ["Brush your teeth.", "Wash your face.", "Put on your pyjamas.", "Read a story.",
                              "Turn off the lamp."]),
        ("How to mend a sock", ["Find the hole.", "Take a needle and some wool.", "Sew slowly and carefully.",
                                "Cut the wool.", "Wear the sock again."]))
    return f"{title}\n" + "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))


def dialogue(pen):
    """Two people talk in turns, `Name: words`; who asks is answered."""
    one, two = pen.people(2)
    exchanges = []
    for _ in range(pen.number(2, 4)):
        base, past, _, groups = pen.pick(lexicon.TRANSITIVE_VERBS)
        thing = pen.object_of(groups, 0.4)
        way, there = pen.place()
        day = pen.pick(lexicon.DAYS)
        a, b = pen.number(1, 10), pen.number(1, 10)
        word, opposite = pen.pick(lexicon.OPPOSITES)
        name, sound, home, food, *_ = pen.pick(lexicon.ANIMALS)
        exchanges.append(pen.pick(
            (f"Did you {base} the {thing}?", pen.pick(f"Yes, I {past} it on {day}.", f"No, I didn't {base} it.",
                                                      f"No, {pen.person()} {past} it.")),
            (f"Where are you going?", f"I am going {way}."),
            (f"Where were you on {day}?", f"I was {there}."),
            (f"How much is {a} plus {b}?", f"{sentence(number_words(a + b))}, of course."),
            (f"What is the opposite of {word}?", f"That is easy: {opposite}."),
            (f"What does {pen.a(name)} eat?", f"It eats {food}."),
            (f"Where does {pen.a(name)} live?", f"It lives {home}."),
            (f"What does {pen.a(name)} do?", f"It {sound}." if sound != "makes no sound" else "It makes no sound."),
            (f"What is that?", f"It is {pen.a(pen.object_of('thing tool toy animal', 0.9))}."),
            (f"Do you want {pen.a(pen.object_of('food'))}?", pen.pick("Yes, please!", "No, thank you.", "Oh, I love them!")),
            (f"Can you lend me your {pen.noun('tool', 'thing', 'cloth')}?",
             pen.pick("Of course.", "Sorry, I need it myself.", "Only until tomorrow.")),
            (f"I am so {pen.pick(lexicon.FEELINGS)}.", pen.pick("Why?", "So am I.", "Poor you…", "That is good to hear!"))))
    lines = [f"{one}: {pen.pick('Hello', 'Hi', 'Good morning', 'Good evening')}, {two}!"] if pen.chance(0.5) else []
    for question, answer in exchanges:
        asker, other = (one, two) if pen.chance(0.7) else (two, one)
        lines += [f"{asker}: {question}", f"{other}: {answer}"]
    if pen.chance(0.4):
        lines += [f"{one}: {pen.pick('Goodbye!', 'See you tomorrow!', 'Bye, ' + str(two) + '!')}"]
    return "\n".join(lines)


def letter(pen):
    writer, reader = pen.people(2)
    way, there = pen.place()
    weather, happened, _ = pen.pick(lexicon.WEATHER)
    base, past, _, groups = pen.pick(lexicon.TRANSITIVE_VERBS)
    smile = pen.maybe(0.35, " " + pen.pick(lexicon.EMOJI))
    body = [pen.pick("How are you?", "I hope you are well.", "Thank you for your letter.", "I miss you!"),
            pen.pick(f"I am {there} now, and it is {weather}.", f"Yesterday I went {way}.",
                     f"Here {happened} all week."),
            f"I {past} the {pen.object_of(groups)}" + pen.pick(".", f" with {pen.person()}.", " and it was fun!"),
            pen.maybe(0.6, pen.pick(f"On {pen.pick(lexicon.DAYS)} I will {base} {pen.a(pen.object_of(groups))}.",
                                    f"Please bring {pen.a(pen.object_of('food toy tool thing'))} with you.",
                                    "Do you remember our last summer?")),
            pen.pick("Write soon!", "Come and visit me.", "See you soon." + smile, "Say hello to your family." + smile)]
    close = pen.pick("Your friend", "Love", "Best wishes", "Yours")
    return f"Dear {reader},\n{' '.join(part for part in body if part)}\n{close},\n{writer}"


def message(pen):
    """A short text message with emoji."""
    hero = pen.person()
    return pen.pick(
        f"{hero}: I'm {pen.place()[1]} 🙂 Where are you?", f"{hero}: Happy birthday! 🎉🎂",
        f"{hero}: It's {pen.pick(lexicon.WEATHER)[0]} here {pen.pick('🌧️', '☀️')}",
        f"{hero}: Look, {pen.a(pen.object_of('animal', 1))}! {pen.pick('🐶', '🐱', '😂')}",
        f"{hero}: I bought {pen.a(pen.object_of('food', 0.7))} {pen.pick('🍎', '👍', '❤️')}",
        f"{hero}: I'll come by bike at {pen.number(1, 12)} o'clock 🚲",
        f"{hero}: That's so funny 😂😂", f"{hero}: Don't forget your {pen.noun('cloth', 'tool', 'thing')} 👍")


def weather_report(pen):
    start = pen.number(0, 6)
    lines = []
    for i in range(pen.number(3, 5)):
        weather, _, degrees = pen.pick(lexicon.WEATHER)
        lines.append(f"{lexicon.DAYS[(start + i) % 7]}: {weather}, {int(degrees) + pen.number(-2, 2)} °C")
    town = pen.pick("the village", "the mountains", "the city", "Södermünde", "Pré-Vert")
    return f"The weather in {town}\n" + "\n".join(lines)


def diary(pen):
    month = pen.pick(lexicon.MONTHS)
    weather, happened, _ = pen.pick(lexicon.WEATHER)
    clauses = []
    for _ in range(pen.number(2, 3)):
        _, past, _, groups = pen.pick(lexicon.TRANSITIVE_VERBS)
        clauses.append(f"I {past} {pen.a(pen.object_of(groups))}")
    feeling = pen.pick(lexicon.FEELINGS)
    return (f"{pen.number(1, 28)} {month}\nToday {happened}. {sentence(pen.joined(clauses))}. "
            + pen.pick(f"I was {feeling}.", f"In the evening I was very {feeling}.", "Nothing else happened…",
                       f"Tomorrow I want to go {pen.place()[0]}."))


def riddle(pen):
    name, _, home, food, colour, size, legs, _ = pen.pick(lexicon.ANIMALS)
    hints = pen.several([f"I live {home}.", f"I eat {food}.", f"I am {size}.", f"I have {legs} legs."], 3)
    return f"{' '.join(hints)} I am {colour}. What am I? I am {pen.a(name)}."


def loose_sentences(pen):
    """Unconnected sentences with richer syntax than the stories have."""
    lines = []
    for _ in range(pen.number(2, 5)):
        active, passive_, (doer, base, past, patient) = clause(pen)
        _, past2, _, groups2 = pen.pick(lexicon.TRANSITIVE_VERBS)
        thing2 = pen.object_of(groups2)
        place = pen.place()[1]
        verb, verb_past = pen.pick(lexicon.INTRANSITIVE_VERBS)
        lines.append(sentence(pen.pick(
            f"{active} {pen.adverb()}.", f"{doer} {pen.adverb()} {past} {patient} {place}.",
            f"when {doer} {past} {patient}, everybody {verb_past}.",
            f"{doer}, who {past2} the {thing2}, also {past} {patient}.",
            f"the {pen.object_of('thing tool toy')}, which was {place}, was {pen.pick(lexicon.COLOURS)}.",
            f"{active} because {pen.person()} {past2} the {thing2}.",
            f"{doer} did not {base} {patient}, but {verb_past} {place}.",
            f"although {doer} {past} {patient}, nobody {verb_past}.",
            f"{passive_}, and then {pen.person()} {verb_past}.",
            f"will {doer} {base} {patient} tomorrow?",
            f"there {pen.pick('was', 'is')} {pen.a(pen.object_of('animal'))} {place}.",
            f"{active}; {pen.person()} {past2} the {thing2}.")))
    return " ".join(lines)


KINDS = ((animal_fact, 6), (job_fact, 3), (opposites, 4), (plurals, 4), (passive, 5), (questions, 5), (verb_forms, 3),
         (comparisons, 2), (sums, 7), (word_problem, 5), (sequence, 3), (shopping_list, 4), (instructions, 2),
         (dialogue, 9), (letter, 6), (message, 3), (weather_report, 3), (diary, 5), (riddle, 4), (loose_sentences, 10))


def note(pen):
    """One document that is no story."""
    kinds, weights = zip(*KINDS)
    return pen.random.choices(kinds, weights)[0](pen)
