"""Words by which noun phrases are found: those of closed classes, and common ones of open classes.

A list is not complete and need not be: what is in none of them is taken for a noun.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["WordKind", "kind_of"]

WordKind = Literal[
    "adjective",
    "adverb",
    "auxiliary",
    "conjunction",
    "determiner",
    "noun",
    "participle",
    "preposition",
    "pronoun",
    "relative",
    "verb",
]
"""What a word is, as far as its letters show. A ``verb`` may be a noun (a drink, to drink); a
``participle`` may be an adjective (a painted wall)."""

_CLOSED: dict[WordKind, str] = {
    "determiner": """a an the this these those some any each every no another both several many few
        his her its their my our your one two three four five six seven eight nine ten eleven twelve
        dozens various""",
    "preposition": """of in on at by to for from with without into onto inside outside over under
        above below between among amongst beneath beside besides behind near past through throughout
        across along alongside against around about after before during until toward towards upon
        within atop underneath beyond per off out up down via amid amidst like than including""",
    "conjunction": "and or but nor while as when whereas because if so although though plus &",
    "pronoun": "it they them he him she we us you i me everyone everything someone something",
    "relative": "that which who whom whose where what",
    "auxiliary": """is are was were be been being am has have had do does did can could will would
        may might must should""",
    "adverb": """next not very too also just only together apart away there here then forward
        outward inward ever always often never still already almost quite rather more most less
        softly alike underfoot overhead nearby indoors outdoors again even sideways upwards
        downwards close""",
}

_ADJECTIVES = """red orange yellow green blue purple pink brown black white gray grey beige golden
    silver gold tan violet turquoise teal maroon crimson scarlet navy cream colored coloured
    colorful multicolored round square rectangular triangular circular spherical cylindrical
    conical oval oblong cubic cubical pyramidal pentagonal hexagonal octagonal curved flat
    straight pointed big large small little tiny huge giant massive tall short long wide narrow
    thin thick slim slender deep shallow high low dark bright pale vivid dim dull shiny glossy
    matte sparkling fluffy furry fuzzy soft hard smooth rough bumpy spiky prickly jagged sharp
    blunt silky plush lush plump wooden metallic woolen woollen wet dry damp moist dusty dirty
    clean muddy sandy rocky snowy icy frosty rusty mossy leafy grassy cloudy foggy misty sunny
    stormy rainy hot warm cool cold chilly fresh ripe juicy sweet sour salty bitter spicy tangy
    tart crisp crispy crunchy creamy sticky slimy greasy oily delicious savory savoury fragrant
    old new young ancient modern vintage antique rustic traditional elegant delicate intricate
    ornate decorative fancy plain simple sleek stylish sturdy strong weak heavy fragile brittle
    comfortable cozy cosy inviting relaxing beautiful pretty lovely cute adorable stunning
    gorgeous perfect great good bad nice fine rich poor empty full open transparent translucent
    opaque clear blank busy quiet calm peaceful serene gentle graceful playful lively happy sad
    sleepy hungry thirsty angry wild natural urban rural tropical exotic majestic vibrant bold
    harsh rugged vast endless steep wavy curly loose tight solid frozen ceramic electric
    electronic digital mobile geometric abstract dynamic aquatic floral stainless single double
    same different other main upper lower own central certain lone whole half able ready worn torn
    broken woven handmade homemade angular sole velvety gritty spacious ample cheerful glassy
    grainy scaly bushy hairy woolly feathery powdery crumbly rubbery stony earthy watery bubbly
    foamy steamy smoky fiery starry moonlit sunlit candlelit well-lit refreshing soothing
    breathtaking"""

_VERBS = """sit stand lie lay lean hang rest hold keep carry provide give add bring take make show
    display serve host feature contain cover fill surround adorn decorate reflect cast drop shine
    glow glisten gleam glitter sparkle shimmer flicker illuminate brighten light float drift sail
    swim fly soar glide flow drip pour splash roll bounce tumble fall slide spin turn twist swing
    sway dance play run walk jump leap climb crawl creep chase ride drive zoom race speed park
    land grow bloom blossom wilt ripen melt boil bake cook fry stir mix blend cut slice chop peel
    spread eat drink sip chew lick graze sleep nap snuggle curl perch nestle lounge sprawl relax
    bask cushion support prop balance hover tower loom stretch reach touch hit strike knock push
    pull lift raise open close tie bind wrap drape fold hug cling stick attach secure fasten
    tighten unlock wear read write draw paint scribble type click ring clink rattle rustle whisper
    echo roar buzz hum look gaze stare watch face await wait greet welcome beckon charm complement
    contrast clash match accompany create form become remain stay seem appear feel taste smell
    sound style clean wash dry wipe sweep brush dig plant water feed warm heat cool burn smoke
    steam blow wave flutter lead wind separate divide connect join meet cross pass enter leave
    follow protect guard hide shelter organize prepare hop slither gallop trot circle dazzle
    captivate mesmerize delight entice tempt soothe quench satisfy savor devour creak crunch
    crumble feast brew remove squish pop zip snap crash collide"""

_PAST = """sat stood lay laid lain leaned hung held kept carried gave given brought took taken
    made shown cast shone lit flew flown swam grew grown fell fallen spun swung ran drove driven
    rode ridden spread ate eaten drank slept clung stuck wore wrote written drew drawn rang read
    led left met hid hidden felt wound bound blew blown fed dug swept broke became cut hit set
    built seen caught stole sent shook threw tore bore paid sold clad"""

_NO_PARTICIPLES = """bed red seed shed sled weed feed reed bread speed hundred breed steed deed
    watershed flatbed ring king wing string spring thing swing sling ceiling building evening
    morning clothing stocking pudding dumpling duckling icing painting wedding filling frosting
    earring railing awning lighting seating bedding flooring sibling inning herring clearing
    opening setting topping dressing writing drawing reading"""

_NO_ADVERBS = """fly butterfly dragonfly lily jelly belly family holly grizzly tilly ally assembly
    monopoly ply anomaly bully rally doily"""


def _forms(verb: str) -> set[str]:
    """Base and third person, and the regular participles."""
    if verb.endswith("e"):
        return {verb, f"{verb}s", f"{verb}d", f"{verb[:-1]}ing"}
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return {verb, f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"}
    ending = "es" if verb.endswith(("s", "sh", "ch", "x", "z")) else "s"
    stems = {verb, f"{verb}{verb[-1]}"}
    return {verb, f"{verb}{ending}", *(f"{one}{end}" for one in stems for end in ("ed", "ing"))}


def _kinds() -> dict[str, WordKind]:
    found: dict[str, WordKind] = {}
    for verb in _VERBS.split():
        for form in _forms(verb):
            found[form] = "participle" if form.endswith(("ed", "ing", "ied")) else "verb"
    found |= dict.fromkeys(f"{_NO_PARTICIPLES} {_NO_ADVERBS}".split(), "noun")
    found |= dict.fromkeys(_PAST.split(), "participle")
    found |= dict.fromkeys(_ADJECTIVES.split(), "adjective")
    for kind, words in _CLOSED.items():
        found |= dict.fromkeys(words.split(), kind)
    return found


_KINDS = _kinds()

_ADJECTIVE_ENDINGS = ("ous", "less", "ical", "gonal", "ular", "shaped", "colored", "-like")
_NOUN_ENDINGS = ("weed", "seed", "bed", "shed", "string", "wing")
_SHORTEST_PARTICIPLE = 5


def kind_of(word: str) -> WordKind:
    """What ``word`` is, in any case of its letters: by the lists, by its ending, or a noun."""
    lower = word.lower()
    if lower in _KINDS:
        return _KINDS[lower]
    if lower.endswith(_ADJECTIVE_ENDINGS) or lower.endswith(("'s", "’s", "s'", "s’")):
        return "adjective"
    if "-" in lower and kind_of(lower.rpartition("-")[2]) in ("adjective", "participle"):
        return "adjective"
    if lower.endswith("ly"):
        return "adverb"
    if lower.endswith(_NOUN_ENDINGS):
        return "noun"
    if lower.endswith(("ed", "ing")) and len(lower) >= _SHORTEST_PARTICIPLE:
        return "participle"
    return "determiner" if lower.isdigit() else "noun"
