"""Stories: small plots in which names, pronouns, things and places stay the same from the first to the last sentence."""
import inflect
import lexicon
from inflect import sentence


def story(pen):
    """One story of 5 to 14 sentences, sometimes with a title line."""
    plot = pen.pick(lost_thing, lost_thing, new_pet, sharing, making, journey, storm, helper, contest, birthday,
                    night_noise, sick_friend, three_wishes, talking_animal, talking_animal, market_day, secret)
    title, sentences = plot(pen)
    text = paragraphs(pen, sentences)
    return f"{title}\n{text}" if pen.chance(0.3) else text


def paragraphs(pen, sentences):
    """Sentences in one paragraph, or in two when the story is long."""
    sentences = [text for text in sentences if text]
    if len(sentences) > 7 and pen.chance(0.4):
        cut = pen.number(3, len(sentences) - 3)
        return " ".join(sentences[:cut]) + "\n" + " ".join(sentences[cut:])
    return " ".join(sentences)


def opening(pen, person, extra=""):
    """A first sentence that introduces the person."""
    adjective = pen.pick(lexicon.BEING_ADJECTIVES)
    kind = pen.a(f"{adjective} {person.kind}")
    there = pen.place()[1]
    return pen.pick(
        f"Once upon a time there was {kind} named {person}.",
        f"There once was {kind} called {person}.",
        f"{person} was {kind} who lived {there}.",
        f"{person} was {kind}.",
        f"One {pen.pick('morning', 'day', 'evening', 'afternoon')}, {person} was {there}.",
        f"It was {pen.a(pen.pick(lexicon.WEATHER)[0])} {pen.pick(lexicon.DAYS)} in {pen.pick(lexicon.MONTHS)}, "
        f"and {person} was {there}.") + extra


def filler(pen, person):
    """A sentence that fits anywhere: weather, feelings, or somebody doing something nearby."""
    weather, happened, _ = pen.pick(lexicon.WEATHER)
    verb = pen.pick(lexicon.INTRANSITIVE_VERBS)
    name, sound = pen.pick(lexicon.ANIMALS)[:2]
    base, past, _, groups = pen.pick(lexicon.TRANSITIVE_VERBS)
    worker = pen.described(pen.noun("person"), "person", 0.4)
    return pen.pick(
        f"It was {pen.a(weather)} day and {happened}.",
        f"{sentence(happened)} all {pen.pick('day', 'morning', 'afternoon')}.",
        f"{person} felt a little {pen.pick(lexicon.FEELINGS)}.",
        f"{person.He} {verb[1]} {pen.adverb()}.",
        f"Not far away, {pen.a(worker)} {past} the {pen.object_of(groups)}.",
        f"{pen.a(pen.described(name, 'animal')).capitalize()} {verb[1]} {pen.place()[1]}.",
        f"{person.He} could hear {pen.a(name)} in the distance." if sound != "makes no sound" else "",
        f"{person.He} wanted to {base} the {pen.object_of(groups)}, but there was no time.",
        f"Nobody {pen.pick('said a word', 'knew why', 'was there', 'saw it')}.")


def moral(pen, person):
    return pen.pick(
        f"{person} was very happy.", f"{person} never forgot that day.", f"And that was the end of the story.",
        f"From that day on, {person} was always {pen.pick('careful', 'kind', 'brave', 'polite', 'honest')}.",
        f"That night {person} slept very well.", f"Everybody laughed and clapped.",
        f"{person} smiled all the way home.", f"It was the best day of the whole {pen.pick(lexicon.SEASONS)}.",
        f"In the end, everything was {pen.pick('good', 'well', 'quiet', 'fine')} again.", "The end.")


def said(pen, person, words, to=None):
    """`"Words," said Mia.` or the other way round; `words` ends with its own mark."""
    verb = "asked" if words.endswith("?") else pen.pick("said", "said", "said", "shouted", "whispered", "answered")
    target = f" {'' if verb == 'asked' else 'to '}{to}" if to and verb in ("asked", "said", "whispered") else ""
    if pen.chance(0.6):
        inner = words[:-1] + "," if words.endswith(".") else words
        order = f"{person} {verb}" if verb == "asked" and target else f"{verb} {person}"
        return f'"{inner}" {order}{target}.'
    return f'{sentence(str(person))} {verb}{target}, "{words}"'


def lost_thing(pen):
    hero, friend = pen.people(2)
    group = pen.pick("toy", "cloth", "tool", "thing")
    noun = pen.noun(group)
    thing = pen.described(noun, group, 0.9)
    there = pen.place()
    spot = f"{pen.pick(lexicon.SPOTS)} the {pen.noun('thing')}"
    giver = pen.relative(hero)
    return f"The Lost {noun.title()}", [
        opening(pen, hero),
        pen.pick(f"{hero.He} had {pen.a(thing)}.",
                 f"{hero.He} loved {hero.his} {thing} more than anything.",
                 f"{hero.His} {thing} was a present from {giver}."),
        pen.pick(f"One day {hero.he} could not find the {noun}.", f"But one day the {noun} was gone!",
                 f"On {pen.pick(lexicon.DAYS)} {hero.he} lost the {noun} {there[1]}."),
        said(pen, hero, pen.pick(f"Where is my {noun}?", f"Have you seen my {noun}?", f"Oh no, my {noun}!"), friend),
        pen.pick(f"{hero} looked {spot}, but it was not there.",
                 f"First {hero.he} looked {spot}. Then {hero.he} went {there[0]}.",
                 f"{hero} and {friend} looked everywhere."),
        pen.maybe(0.5, filler(pen, friend)),
        pen.pick(f"{friend} helped {hero.him}.", f"{friend} said that {friend.he} would help.",
                 f"{hero} was so sad that {hero.he} cried."),
        pen.pick(f"At last {friend} found the {noun} {there[1]}.", f"Then {hero} found the {noun} {spot}.",
                 f"After {pen.number(2, 9)} hours they found it {there[1]}.",
                 f"In the end {pen.a(pen.described(pen.noun('animal'), 'animal'))} brought it back."),
        said(pen, hero, pen.pick(f"Thank you, {friend}!", f"I am so happy to have my {noun} again.",
                                 f"Now I will always keep it near me."), friend),
        moral(pen, hero)]


def new_pet(pen):
    hero = pen.person()
    name, sound, home, food, colour, size, _, does = pen.pick(lexicon.ANIMALS[:24] + lexicon.ANIMALS[-6:])
    pet = pen.pick("Coco", "Bello", "Minka", "Pip", "Momo", "Fritz", "Biscuit", "Käse", "Lulu", "Zorro")
    relative = pen.relative(hero)
    return f"{hero} and the {name.title()}", [
        opening(pen, hero),
        pen.pick(f"{hero} wanted to have {pen.a(name)}.", f"One day {hero.he} saw {pen.a(f'{size} {name}')} {home}.",
                 f"{sentence(str(relative))} gave {hero.him} {pen.a(f'{colour} {name}')}."),
        pen.pick(f"The {name} was {colour} and {size}.", f"It was {pen.a(f'{size} {colour} {name}')}."),
        said(pen, hero, pen.pick(f"I will call you {pet}.", f"Hello, {pet}!", f"Your name is {pet}, isn't it?")),
        "" if sound == "makes no sound" else f"The {name} {sound} when it is {pen.pick('happy', 'hungry', 'afraid')}.",
        pen.pick(f"{hero} gave {pet} some {food}.", f"Every day {hero} brought {food} for {pet}."),
        pen.maybe(0.6, f"{pet} liked {food} very much."),
        pen.pick(f"{sentence(str(relative))} said that {pen.a(name)} lives {home}.",
                 f"Everybody knows that {pen.a(name)} {does}."),
        pen.maybe(0.4, filler(pen, hero)),
        pen.pick(f"{pet} and {hero} became best friends.", f"Now {hero} is never alone.",
                 f"{hero} and {pet} went {pen.place()[0]} together."),
        moral(pen, hero)]


def sharing(pen):
    hero, friend = pen.people(2)
    food = pen.pick(lexicon.FOODS)
    count = pen.number(2, 6) * 2
    half = count // 2
    return f"{counted_title(count, food)}", [
        opening(pen, hero),
        f"{hero} had {inflect.number_words(count)} {inflect.plural(food)} in {hero.his} "
        f"{pen.pick('bag', 'basket', 'box', 'pocket')}.",
        f"{hero.He} {pen.pick('met', 'saw')} {friend} {pen.place()[1]}.",
        f"{friend} was {pen.pick('very hungry', 'hungry and tired', 'sad')} and had no {inflect.plural(food)}.",
        said(pen, friend, pen.pick(f"May I have some of your {inflect.plural(food)}?",
                                   f"Can you give me {pen.a(food)}, please?"), hero),
        pen.maybe(0.4, f"{hero} thought about it for a while…"),
        said(pen, hero, pen.pick("Of course.", "Yes, let us share.", "Yes, you can have half of them!")),
        f"{hero} gave {friend} {inflect.number_words(half)} {inflect.plural(food)} and kept "
        f"{inflect.number_words(half)} for {hero.him}self.",
        f"They sat {pen.place()[1]} and ate the {inflect.plural(food)} together.",
        said(pen, friend, pen.pick("Thank you!", f"You are very kind, {hero}.", "That was delicious.")),
        moral(pen, hero)]


def counted_title(count, noun):
    return f"{inflect.number_words(count).title()} {inflect.plural(noun).title()}"


def making(pen):
    hero = pen.person()
    helper = pen.relative(hero)
    thing = pen.pick("kite", "boat", "birdhouse", "puppet", "lantern", "table", "sled", "cake", "soup", "scarf",
                     "snowman", "drum", "raft", "mask")
    materials = {"cake": ("flour", "sugar", "butter", "milk"), "soup": ("water", "salt", "onions", "carrots"),
                 "snowman": ("snow", "a carrot", "an old hat", "two stones"),
                 "scarf": ("wool", "a needle", "a pattern", "time")}.get(
                     thing, ("wood", "paper", "rope", "nails", "glue", "paint"))
    needed = pen.several(materials, 3)
    return f"The {thing.title()}", [
        opening(pen, hero),
        f"{hero} wanted to make {pen.a(thing)}.",
        said(pen, hero, pen.pick(f"What do I need for {pen.a(thing)}?", f"Can you help me make {pen.a(thing)}?"), helper),
        said(pen, helper, f"You need {pen.joined(needed)}."),
        f"{hero} found {needed[0]} {pen.place()[1]} and {needed[1]} {pen.place()[1]}.",
        pen.maybe(0.5, f"{sentence(str(helper))} brought {needed[2]}."),
        f"First {hero.he} {pen.pick('made a plan', 'drew a picture of it', 'cleaned the table')}. "
        f"Then {hero.he} worked for {inflect.number_words(pen.number(2, 6))} hours.",
        pen.maybe(0.4, filler(pen, hero)),
        pen.pick(f"At last the {thing} was ready.", f"Finally {hero.he} finished the {thing}."),
        pen.pick(f"It was the {pen.pick('best', 'biggest', 'finest', 'funniest')} {thing} in the whole village.",
                 f"The {thing} was not perfect, but {hero} loved it."),
        said(pen, helper, pen.pick("Well done!", f"What a beautiful {thing}!", "I am proud of you.")),
        moral(pen, hero)]


def journey(pen):
    hero, friend = pen.people(2)
    first, second = pen.several(lexicon.PLACES, 2)
    vehicle = pen.pick("bus", "train", "tram", "boat", "cart")
    seen = [pen.a(pen.described(pen.noun("animal"), "animal")) for _ in range(2)]
    return f"The Way {first[0].title().replace('To The', 'to the')}", [
        opening(pen, hero),
        f"{hero} and {friend} wanted to go {first[0]}.",
        pen.pick(f"They took the {vehicle} at {inflect.number_words(pen.number(6, 11))} o'clock.",
                 f"They walked for {inflect.number_words(pen.number(2, 5))} hours.",
                 f"They went by {vehicle}, because it was too far to walk."),
        pen.pick(f"On the way they saw {seen[0]} and {seen[1]}.", f"On the way they met {seen[0]}."),
        pen.maybe(0.5, filler(pen, friend)),
        said(pen, friend, pen.pick("Are we there yet?", "I am tired.", "Look at that!", "How far is it?")),
        said(pen, hero, pen.pick("Not yet.", "It is not far now.", f"We are nearly there, {friend}.")),
        pen.pick(f"When they came {first[0]}, it was already evening.",
                 f"But they were lost, and came {second[0]} instead.",
                 f"At noon they were {first[1]} at last."),
        f"There they {pen.pick(lexicon.INTRANSITIVE_VERBS)[1]} and {pen.pick(lexicon.INTRANSITIVE_VERBS)[1]} "
        f"until {pen.pick('it was dark', 'the sun went down', 'they were tired', 'it was time to go home')}.",
        moral(pen, hero)]


def storm(pen):
    hero, friend = pen.people(2)
    there = pen.place()
    thing = pen.pick("roof", "door", "fence", "old oak", "boat", "bridge", "window")
    return "The Storm", [
        opening(pen, hero),
        pen.pick("The sky turned dark.", "Black clouds came over the hill.", "The wind grew stronger and stronger."),
        f"{hero} was {there[1]} and "
        f"{pen.pick('was afraid', 'did not know what to do', f'ran as fast as {hero.he} could')}.",
        f"{pen.pick('Crash! The', 'Boom! The', 'Suddenly — bang! — the')} {thing} {pen.pick('broke', 'fell down')}.",
        said(pen, friend, pen.pick("Come inside, quickly!", f"Hold my hand, {hero}!", "We must find a safe place!"), hero),
        f"{hero} and {friend} hid {pen.pick('in the cellar', 'in the barn', 'under the table', 'in a cave')} "
        f"and waited.",
        pen.pick("The rain fell for hours.", f"The storm lasted {inflect.number_words(pen.number(2, 9))} hours.",
                 "They told each other stories until it was quiet."),
        pen.pick("Then the sun came out again. ☀️", "At last the storm was over.", "In the morning the sky was blue."),
        f"The next day they repaired the {thing} together.",
        moral(pen, hero)]


def helper(pen):
    hero = pen.person()
    job, does, tool, place = pen.pick(lexicon.JOBS)
    problem = pen.pick("was ill", "was too tired", "had hurt a foot", "had too much to do", "could not sleep")
    return f"A Day as {pen.a(job)}", [
        opening(pen, hero),
        f"Next door lived {pen.a(pen.described(job, 'person', 0.8))}.",
        f"Everybody knows that {pen.a(job)} {does}.",
        f"But that {pen.pick(lexicon.DAYS)} the {job} {problem}.",
        said(pen, hero, pen.pick("I can help!", "May I do your work today?", "Let me try.")),
        f"So {hero} took {tool} and worked {place} all day.",
        pen.maybe(0.5, f"It was {pen.pick('harder', 'easier')} than {hero.he} had thought."),
        pen.maybe(0.5, filler(pen, hero)),
        f"In the evening {hero} was {pen.pick('tired but happy', 'very tired', 'proud', 'hungry as a bear')}.",
        f"The {job} thanked {hero} and gave {hero.him} {pen.a(pen.object_of('food thing toy', 0.9))}.",
        moral(pen, hero)]


def contest(pen):
    first, second, third = pen.people(3)
    what, unit, low, high = pen.pick(
        ("jumped", "metres", 2, 6), ("ran", "kilometres", 3, 12), ("threw the ball", "metres", 10, 40),
        ("ate", "pancakes", 3, 12), ("caught", "fish", 2, 15), ("picked", "apples", 10, 60))
    scores = sorted(pen.several(range(low, high + 3), 3), reverse=True)
    order = pen.several((first, second, third), 3)
    return "The Contest", [
        f"On {pen.pick(lexicon.DAYS)} there was a contest {pen.place()[1]}.",
        f"{pen.joined(str(p) for p in (first, second, third))} took part.",
        pen.maybe(0.5, filler(pen, first)),
        *[f"{p} {what} {s} {unit}." for p, s in pen.several(list(zip(order, scores)), 3)],
        f"So {order[0]} was first, {order[1]} was second and {order[2]} was third.",
        said(pen, order[2], pen.pick("Next time I will win.", f"Well done, {order[0]}!", "It was fun anyway.")),
        f"{order[0]} won {pen.a(pen.object_of('thing toy', 0.95))}.",
        moral(pen, order[0])]


def birthday(pen):
    hero, friend, other = pen.people(3)
    age = pen.number(4, 12)
    gifts = [pen.a(pen.object_of("toy cloth thing", 0.8)) for _ in range(2)]
    return f"{hero} Is {inflect.number_words(age).title()}", [
        f"Today is {hero}'s birthday. 🎂" if pen.chance(.3) else f"It was {hero}'s birthday.",
        f"{hero.He} was {inflect.number_words(age)} years old.",
        f"{sentence(str(pen.relative(hero)))} made {pen.pick('a cake', 'a big cake', 'pancakes', 'crêpes')} "
        f"with {inflect.number_words(age)} candles.",
        f"{friend} gave {hero.him} {gifts[0]}.", f"{other} gave {hero.him} {gifts[1]}.",
        said(pen, hero, pen.pick("Thank you all!", "What a lovely present!", f"Just what I wanted, {friend}!")),
        f"They played {pen.place()[1]} and {pen.pick('sang songs', 'danced', 'ate cake', 'told jokes')}.",
        pen.maybe(0.4, filler(pen, hero)),
        f"Next year {hero.he} will be {inflect.number_words(age + 1)}.",
        moral(pen, hero)]


def night_noise(pen):
    hero = pen.person()
    name, sound = pen.pick([row for row in lexicon.ANIMALS if row[1] != "makes no sound"])[:2]
    where = f"{pen.pick(lexicon.SPOTS)} the {pen.noun('thing')}"
    return "A Noise in the Night", [
        opening(pen, hero),
        f"In the middle of the night {hero} woke up.",
        pen.pick("There was a strange noise.", f"Something was {where}!", "Knock, knock, knock…"),
        f"{hero.He} was {pen.pick('afraid', 'nervous', 'curious', 'not afraid at all')}.",
        said(pen, hero, pen.pick("Who is there?", "Is that a ghost?", "Did you hear that?")),
        f"{hero} took {pen.a(pen.pick('lamp', 'candle', 'torch', 'broom'))} and looked {where}.",
        f"It was only {pen.a(pen.described(name, 'animal', 0.8))}!",
        f"{sentence(pen.a(name))} {sound}, and that was the noise.",
        pen.pick(f"{hero} laughed and went back to bed.", f"{hero} gave the {name} something to eat.",
                 f"{sentence(str(pen.relative(hero)))} came too and laughed."),
        moral(pen, hero)]


def sick_friend(pen):
    hero, friend = pen.people(2)
    return f"{friend} Is Ill", [
        opening(pen, hero),
        f"{hero.His} friend {friend} was ill and had to stay in bed.",
        f"{hero} went {pen.pick('to see', 'to visit')} {friend.him}.",
        f"{hero.He} brought {pen.joined([pen.a(pen.object_of('food')), pen.a(pen.object_of('toy thing'))])}.",
        said(pen, hero, pen.pick("How are you?", "Are you better today?", "Does it hurt?"), friend),
        said(pen, friend, pen.pick("A little better, thank you.", "My head hurts.", "I am so bored!")),
        f"{hero} read {friend.him} a story about {pen.a(pen.described(pen.noun('animal', 'person'), 'animal'))}.",
        pen.maybe(0.4, f"The doctor came and gave {friend.him} some {pen.pick('tea', 'soup', 'honey')}."),
        f"{inflect.number_words(pen.number(2, 6)).capitalize()} days later {friend} was healthy again.",
        moral(pen, friend)]


def three_wishes(pen):
    hero = pen.person()
    being = pen.pick("tiny fairy", "old frog", "golden fish", "talking stone", "friendly ghost")
    groups = pen.several(("food", "toy", "cloth", "vehicle", "animal"), 3)
    wishes = [pen.a(pen.object_of(group, 0.95)) for group in groups]
    return "Three Wishes", [
        opening(pen, hero),
        f"{pen.place()[1].capitalize()} {hero.he} met {pen.a(being)}.",
        said(pen, f"the {being}", "You have three wishes."),
        f"First {hero} wished for {wishes[0]}.", f"Then {hero.he} wished for {wishes[1]}.",
        pen.pick(f"{hero} thought for a long time about the last wish.", f"{hero} was not sure about the third wish."),
        pen.pick(f"At last {hero.he} wished for {wishes[2]}.",
                 f"At last {hero.he} wished that {hero.his} {pen.pick('mother', 'brother', 'friend')} would be healthy.",
                 f"\"I wish that all people were {pen.pick('happy', 'kind', 'free')}!\" said {hero}."),
        "The frog jumped away." if being == "old frog" else f"Puff! The {being} was gone.",
        moral(pen, hero)]


def talking_animal(pen):
    (first, _, home, food, *_, does), (second, _, home2, food2, *_, does2) = pen.several(lexicon.ANIMALS, 2)
    adjective = pen.pick("proud", "lazy", "clever", "hungry", "vain", "kind", "lonely", "greedy")
    return f"The {first.title()} and the {second.title()}", [
        f"{pen.pick('Long ago', 'Once upon a time', 'One day')} {pen.a(f'{adjective} {first}')} met "
        f"{pen.a(pen.described(second, 'animal', 0.7))}.",
        f"The {first} lived {home}, and the {second} lived {home2}.",
        said(pen, f"the {first}", pen.pick(f"What do you eat?", f"Why are you so {pen.pick(lexicon.FEELINGS)}?",
                                           f"I like {food} best.")),
        said(pen, f"the {second}", pen.pick(f"I eat {food2}.", f"I only want some {food2}.",
                                            f"I am looking for {food2}, but I cannot find any.")),
        pen.pick(f"The {first} wanted to help, because {pen.a(first)} {does}.",
                 f"\"Every {second} {does2},\" said the {second} proudly.",
                 f"The {first} laughed at the {second}, and the {second} was sad."),
        pen.pick(f"Then a {pen.pick('hunter', 'farmer', 'storm')} came, and they both ran away.",
                 f"So they shared the {food} and were not hungry any more.",
                 f"That evening the {second} brought {food} to the {first}."),
        pen.pick(f"Since then the {first} and the {second} have been friends.",
                 f"The {first} never laughed at the {second} again.",
                 f"A friend in need is a friend indeed, said the {first}."),
        pen.maybe(0.5, "The end.")]


def market_day(pen):
    hero = pen.person()
    foods = pen.several(lexicon.FOODS, 2)
    prices = [pen.number(1, 9) for _ in foods]
    paid = sum(prices)
    had = paid + pen.number(0, 8)
    rest = had - paid
    return "At the Market", [
        opening(pen, hero),
        f"{hero} went to the market with {had} coins.",
        f"{hero.He} bought {pen.a(pen.described(foods[0], 'food', 0.4))} for {inflect.counted(prices[0], 'coin')} and "
        f"{pen.a(foods[1])} for {inflect.counted(prices[1], 'coin')}.",
        said(pen, "the man at the market", f"That makes {inflect.counted(paid, 'coin')}."),
        f"{hero} gave him {inflect.counted(paid, 'coin')} and had "
        f"{'no coins' if rest == 0 else inflect.counted(rest, 'coin')} left.",
        pen.maybe(0.5, filler(pen, hero)),
        f"At home {hero.he} put the {foods[0]} {pen.pick('on the table', 'into a basket', 'into the kitchen')}.",
        moral(pen, hero)]


def secret(pen):
    hero, friend = pen.people(2)
    thing = pen.described(pen.noun("thing", "tool", "toy"), "thing", 0.9)
    place, there = pen.place()
    found = pen.pick("an old map", "a letter", "a golden key", "a small door", "a box full of coins")
    return f"The Secret of the {thing.split()[-1].title()}", [
        opening(pen, hero),
        f"{there.capitalize()} there was {pen.a(thing)}, and nobody knew {pen.pick('why', 'who had left it there')}.",
        said(pen, friend, pen.pick("Don't touch it!", "What is that?", "It wasn't here yesterday…"), hero),
        f"But {hero} was curious and {pen.pick('touched', 'lifted', 'opened', 'turned', 'moved')} it {pen.adverb()}.",
        f"Under it was {found}!",
        pen.maybe(0.5, filler(pen, hero)),
        said(pen, hero, pen.pick("We must tell somebody.", "Let's keep it a secret.", "Who does this belong to?")),
        f"They brought it to {pen.relative(hero)}, who {pen.pick('smiled', 'was surprised', 'knew the answer')}.",
        f"{pen.pick('It had belonged to', 'It was the work of')} {pen.a(pen.described(pen.noun('person'), 'person', 0.8))} "
        f"who had lived there {inflect.number_words(pen.number(2, 9) * 10)} years before.",
        moral(pen, hero)]
