"""Word tables of the sample corpus and of the tasks built on it; no logic.

Every table is a plain tuple or dictionary, so that later scripts (instruction tasks, quizzes) draw from
the same words the sample models were trained on. Nouns are singular; `inflect.py` makes the other forms.
"""


def _words(text):
    return tuple(text.split())


def _rows(text, separator="|"):
    return tuple(tuple(field.strip() for field in line.split(separator)) for line in text.strip().splitlines())


SHE_NAMES = _words(
    "Mia Anna Lily Zoë Emma Nora Ida Clara Rosa Lucy Ella Ruth Amy Eva Maya Julia Anaïs Chloé Sofia Hannah "
    "Alice Tilda Greta Inés Renée Freya Mona Dora Paula Wilma")
HE_NAMES = _words(
    "Tom Ben Max Sam Leo Jack Otto Finn Paul Hugo Noah Oscar José Jürgen Søren André Peter Luke Felix Karl "
    "Adam Victor Emil Theo Björn Simon Walter Henry Ravi Omar")

RELATIVES = {"she": _words("mother sister aunt grandmother"), "he": _words("father brother uncle grandfather")}

# name | sound | home | food | colour | size | legs | one thing it does
ANIMALS = _rows("""
    cat | meows | in a house | fish | grey | small | four | sleeps in the sun
    dog | barks | in a house | meat | brown | big | four | guards the door
    cow | moos | on a farm | grass | white | big | four | gives milk
    horse | neighs | in a stable | hay | black | big | four | pulls a cart
    sheep | bleats | on a farm | grass | white | big | four | gives wool
    goat | bleats | in the mountains | leaves | white | big | four | climbs on rocks
    pig | grunts | on a farm | corn | pink | big | four | rolls in the mud
    hen | clucks | on a farm | seeds | brown | small | two | lays eggs
    duck | quacks | on a pond | bread | white | small | two | swims well
    goose | honks | on a pond | grass | white | big | two | flies far in autumn
    mouse | squeaks | in a hole | cheese | grey | tiny | four | runs very fast
    rabbit | squeaks | in a hole | carrots | white | small | four | jumps over logs
    fox | barks | in the forest | mice | red | small | four | hunts at night
    wolf | howls | in the forest | meat | grey | big | four | runs in a pack
    bear | growls | in a cave | honey | brown | huge | four | sleeps all winter
    deer | snorts | in the forest | leaves | brown | big | four | hides in the trees
    owl | hoots | in a tree | mice | brown | small | two | sees in the dark
    crow | caws | in a tree | nuts | black | small | two | remembers faces
    robin | sings | in a garden | worms | red | tiny | two | builds a round nest
    swan | hisses | on a lake | plants | white | big | two | swims with its young
    eagle | screams | in the mountains | fish | brown | big | two | flies very high
    parrot | talks | in the jungle | fruit | green | small | two | copies words
    penguin | honks | on the ice | fish | black | small | two | slides on its belly
    lion | roars | in the grassland | meat | yellow | big | four | rests in the shade
    tiger | roars | in the jungle | meat | orange | big | four | swims across rivers
    elephant | trumpets | in the grassland | leaves | grey | huge | four | lifts trees
    monkey | chatters | in the jungle | bananas | brown | small | two | swings from branches
    zebra | barks | in the grassland | grass | striped | big | four | lives in a herd
    camel | grunts | in the desert | dry plants | brown | big | four | carries heavy bags
    donkey | brays | on a farm | hay | grey | big | four | carries heavy bags
    frog | croaks | on a pond | flies | green | tiny | four | jumps into the water
    snake | hisses | in the grass | mice | green | long | no | swallows its food whole
    turtle | makes no sound | on the beach | plants | green | small | four | carries its house
    whale | sings | in the sea | tiny shrimp | blue | huge | no | breathes air
    dolphin | whistles | in the sea | fish | grey | big | no | plays with waves
    shark | makes no sound | in the sea | fish | grey | big | no | never stops swimming
    crab | clicks | on the beach | snails | red | small | eight | walks sideways
    spider | makes no sound | in a corner | flies | black | tiny | eight | spins a web
    bee | buzzes | in a hive | nectar | yellow | tiny | six | makes honey
    ant | makes no sound | in a hill | crumbs | black | tiny | six | carries crumbs home
    butterfly | makes no sound | in a garden | nectar | orange | tiny | six | drinks from flowers
    squirrel | chatters | in a tree | nuts | red | small | four | hides nuts for winter
    hedgehog | snuffles | in a garden | snails | brown | small | four | rolls into a ball
    kangaroo | grunts | in the grassland | grass | brown | big | two | keeps its young in a pouch
    pony | neighs | in a stable | hay | brown | small | four | carries children
    kitten | mews | in a basket | milk | grey | tiny | four | plays with wool
    puppy | yaps | in a basket | milk | brown | small | four | chews old shoes
""")

FOODS = _words(
    "apple pear plum cherry peach orange lemon banana carrot potato tomato onion bean pea pumpkin mushroom egg "
    "cake pie cookie pancake crêpe sandwich sausage pizza dumpling noodle muffin biscuit berry nut grape melon "
    "radish cabbage")
MASS_FOODS = _words(
    "bread butter cheese honey milk rice soup tea cocoa jam flour sugar salt water juice yoghurt porridge")
TOYS = _words("ball kite doll puzzle drum whistle top train robot marble balloon swing sled bubble boat puppet")
CLOTHES = _words("hat coat scarf sock shoe boot shirt dress glove belt cap sweater jacket apron skirt")
TOOLS = _words("hammer saw spade broom bucket rope ladder brush needle knife basket lamp rake axe key wheel")
THINGS = _words(
    "book letter map clock ring coin box bag cup plate spoon bottle chair table bed blanket pillow mirror candle "
    "picture pencil umbrella bell flag stone feather shell leaf button ticket camera radio pot pan jar vase "
    "carpet curtain window door drawer shelf")
VEHICLES = _words("car bus bike truck tractor cart wagon ship canoe plane balloon tram lorry scooter")
INSTRUMENTS = _words("violin flute drum piano trumpet guitar harp")
PLANTS = _words("tree flower rose tulip bush daisy oak pine sunflower fern cactus vine")

# place, written with the preposition that takes one there, and the one for being there
PLACES = _rows("""
    to the park | in the park
    to the market | at the market
    to the school | at the school
    to the library | in the library
    to the beach | on the beach
    to the river | by the river
    to the lake | by the lake
    to the forest | in the forest
    to the farm | on the farm
    to the garden | in the garden
    to the barn | in the barn
    to the café | in the café
    to the bakery | in the bakery
    to the museum | in the museum
    to the station | at the station
    to the harbour | in the harbour
    to the castle | in the castle
    to the mill | at the mill
    to the bridge | under the bridge
    to the old tower | in the old tower
    to the village | in the village
    to the zoo | at the zoo
    to the theatre | in the theatre
    to the workshop | in the workshop
    to the kitchen | in the kitchen
    to the attic | in the attic
    to the cellar | in the cellar
    to the hill | on the hill
    to the island | on the island
    to the playground | on the playground
""")
SPOTS = _words("behind under beside near inside")

# job | what they do | the tool | the place
JOBS = _rows("""
    baker | bakes bread | an oven | in a bakery
    farmer | grows corn | a tractor | on a farm
    teacher | teaches children | a board | at a school
    doctor | helps sick people | a small lamp | in a hospital
    nurse | looks after sick people | a clean cloth | in a hospital
    sailor | sails a ship | a rope | on the sea
    fisherman | catches fish | a net | on a lake
    gardener | plants flowers | a spade | in a garden
    carpenter | builds tables | a saw | in a workshop
    painter | paints pictures | a brush | in a studio
    tailor | sews coats | a needle | in a shop
    shoemaker | mends shoes | a hammer | in a shop
    cook | makes soup | a big pot | in a kitchen
    waiter | brings the food | a tray | in a café
    pilot | flies a plane | a map | in the sky
    driver | drives a bus | a wheel | in the city
    miller | grinds corn | a heavy stone | at a mill
    singer | sings songs | a microphone | on a stage
    writer | writes books | a pencil | at a desk
    postman | brings letters | a bike | in the village
    king | rules the land | a golden crown | in a castle
    queen | rules the land | a golden crown | in a castle
    clown | makes people laugh | a red nose | in a circus
    shepherd | watches the sheep | a long stick | on a hill
    librarian | lends books | a stamp | in a library
    mechanic | repairs cars | a spanner | in a garage
""")

# base | past | participle | what it can be done to (names of noun groups)
TRANSITIVE_VERBS = _rows("""
    eat | ate | eaten | food
    cook | cooked | cooked | food
    taste | tasted | tasted | food
    peel | peeled | peeled | food
    cut | cut | cut | food
    share | shared | shared | food toy
    buy | bought | bought | food toy cloth tool thing
    sell | sold | sold | food toy cloth tool thing
    bring | brought | brought | food toy cloth tool thing
    carry | carried | carried | food toy cloth tool thing animal
    find | found | found | food toy cloth tool thing animal
    lose | lost | lost | toy cloth tool thing
    hide | hid | hidden | food toy cloth tool thing
    wash | washed | washed | cloth vehicle animal thing
    paint | painted | painted | vehicle thing toy
    repair | repaired | repaired | vehicle tool toy thing
    break | broke | broken | toy tool thing
    clean | cleaned | cleaned | cloth vehicle tool thing
    throw | threw | thrown | toy food
    catch | caught | caught | animal toy
    drop | dropped | dropped | food toy tool thing
    hold | held | held | animal toy tool thing
    draw | drew | drawn | animal plant vehicle
    see | saw | seen | animal plant vehicle person thing
    watch | watched | watched | animal vehicle person
    hear | heard | heard | animal vehicle person
    follow | followed | followed | animal vehicle person
    chase | chased | chased | animal
    feed | fed | fed | animal
    help | helped | helped | person animal
    call | called | called | person animal
    visit | visited | visited | person
    thank | thanked | thanked | person
    greet | greeted | greeted | person
    teach | taught | taught | person
    surprise | surprised | surprised | person animal
    wake | woke | woken | person animal
    wear | wore | worn | cloth
    sew | sewed | sewn | cloth
    fold | folded | folded | cloth
    mend | mended | mended | cloth toy tool
    plant | planted | planted | plant
    water | watered | watered | plant
    pick | picked | picked | plant food
    climb | climbed | climbed | tree
    drive | drove | driven | vehicle
    steer | steered | steered | vehicle
    stop | stopped | stopped | vehicle
    push | pushed | pushed | vehicle thing
    pull | pulled | pulled | vehicle thing
    play | played | played | instrument
    build | built | built | vehicle toy
    make | made | made | toy food cloth
    open | opened | opened | box
    close | closed | closed | box
    read | read | read | page
    write | wrote | written | page
    send | sent | sent | page
    take | took | taken | food toy cloth tool thing
    give | gave | given | food toy cloth tool thing
    borrow | borrowed | borrowed | toy cloth tool thing
    show | showed | shown | toy cloth tool thing
    count | counted | counted | thing
    lift | lifted | lifted | thing tool animal
    love | loved | loved | animal food person
""")

# base | past
INTRANSITIVE_VERBS = _rows("""
    sing | sang
    dance | danced
    laugh | laughed
    smile | smiled
    run | ran
    walk | walked
    jump | jumped
    swim | swam
    sleep | slept
    sit | sat
    stand | stood
    wait | waited
    cry | cried
    shout | shouted
    whisper | whispered
    rest | rested
    work | worked
    play | played
    dream | dreamed
    listen | listened
    fall | fell
    hide | hid
    shiver | shivered
    yawn | yawned
    sneeze | sneezed
    clap | clapped
    wave | waved
    stretch | stretched
""")

# pairs of opposites; the first of each is the one more often said of things
OPPOSITES = _rows("""
    big | small
    hot | cold
    old | young
    fast | slow
    happy | sad
    long | short
    high | low
    full | empty
    clean | dirty
    wet | dry
    hard | soft
    heavy | light
    loud | quiet
    strong | weak
    rich | poor
    early | late
    open | closed
    near | far
    bright | dark
    good | bad
    easy | difficult
    thick | thin
    wide | narrow
    deep | shallow
    sweet | sour
    sharp | blunt
    brave | afraid
    busy | lazy
    kind | mean
    polite | rude
    safe | dangerous
    new | ancient
    warm | cool
    right | wrong
    true | false
    first | last
    same | different
    smooth | rough
    tight | loose
    healthy | ill
    cheap | expensive
    beautiful | ugly
    careful | careless
    awake | asleep
    alive | dead
    always | never
    up | down
    inside | outside
    day | night
    summer | winter
    friend | enemy
    begin | end
    buy | sell
    give | take
    push | pull
    laugh | cry
    love | hate
    win | lose
    ask | answer
""")

THING_ADJECTIVES = _words(
    "big small old new heavy light clean dirty shiny round broken beautiful strange golden silver wooden tiny "
    "little warm soft smooth pretty plain useful empty lovely dusty bright simple wonderful")
FOOD_ADJECTIVES = _words("sweet sour fresh hot cold ripe big small tasty warm soft dry juicy crisp")
BEING_ADJECTIVES = _words(
    "old young happy sad kind brave clever lazy hungry tired quiet little tall friendly funny proud shy polite "
    "curious gentle careful busy angry lonely cheerful")
ANIMAL_ADJECTIVES = _words(
    "old young little big small hungry tired brave clever lazy shy friendly wild fat thin white black brown grey "
    "spotted fluffy noisy quick curious")
COLOURS = _words("red blue green yellow white black brown grey pink orange purple turquoise")
MATERIALS = _words("wood stone paper glass wool iron clay gold silver leather straw plastic")
ADVERBS = _words(
    "slowly quickly quietly loudly happily sadly carefully gently bravely suddenly proudly politely kindly "
    "secretly easily softly calmly eagerly")
FEELINGS = _words("happy sad tired hungry thirsty proud angry afraid lonely excited surprised bored nervous naïve")
WEATHER = _rows("""
    sunny | the sun shone | 24
    rainy | it rained | 13
    windy | the wind blew | 15
    cloudy | clouds covered the sky | 16
    snowy | snow fell | -2
    foggy | fog lay over the fields | 8
    stormy | a storm shook the trees | 11
    hot | the air was hot | 31
    frosty | frost covered the grass | -5
    mild | a mild breeze blew | 19
""")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words("January February March April May June July August September October November December")
SEASONS = _words("spring summer autumn winter")
EMOJI = _words("🙂 🎉 🌧️ ☀️ 🐶 🐱 🎂 ❤️ 🍎 🚲 😂 👍")

IRREGULAR_PLURALS = {
    "sheep": "sheep", "goose": "geese", "mouse": "mice", "wolf": "wolves", "deer": "deer", "knife": "knives",
    "leaf": "leaves", "shelf": "shelves", "potato": "potatoes", "tomato": "tomatoes", "child": "children",
    "man": "men", "woman": "women", "foot": "feet", "tooth": "teeth", "fisherman": "fishermen",
    "postman": "postmen", "piano": "pianos", "kangaroo": "kangaroos", "radio": "radios", "robot": "robots",
    "zoo": "zoos", "fish": "fish", "person": "people", "scarf": "scarves", "ox": "oxen", "half": "halves",
    "thief": "thieves", "loaf": "loaves", "wife": "wives", "life": "lives", "hero": "heroes", "cactus": "cacti"}

SMALL_NUMBERS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen")
TENS = _words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")

NOUN_GROUPS = {
    "food": FOODS, "toy": TOYS, "cloth": CLOTHES, "tool": TOOLS, "thing": THINGS, "vehicle": VEHICLES,
    "instrument": INSTRUMENTS, "plant": PLANTS, "tree": _words("tree oak pine wall ladder hill tower rock"),
    "box": _words("box door window drawer jar bag umbrella book gate bottle"),
    "page": _words("book letter poem story note postcard message list"),
    "animal": tuple(row[0] for row in ANIMALS), "person": tuple(row[0] for row in JOBS)}
