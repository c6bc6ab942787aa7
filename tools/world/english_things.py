"""English for the things in a picture: how many of them, in which colour, where, doing what, or not at all."""

from tools.world.lexicon import Chooser, Noun, nouns, table, words
from tools.world.scene import SINGLE, UNCOUNTED, Thing

KINDS = {
    "cabin": nouns(
        "cabin, cabin, cabin, hut, cottage, house, log cabin, wooden house, farmhouse, lodge, chalet, shack, barn, "
        "shed, home, "
        "bungalow, wooden hut, little house, mountain hut, wooden cabin, country house, log house, homestead, "
        "beach hut, farm, villa, hunting lodge, ~log hut, ~country cottage, ~wooden chalet"
    ),
    "boat": nouns(
        "boat, boat, boat, sailboat, ship, yacht, sailing boat, canoe, rowboat, rowing boat, fishing boat, dinghy, "
        "vessel, "
        "sailing ship, schooner, kayak, catamaran, raft, barge, ferry, sail boat, motorboat, gondola, sailing yacht, "
        "steamer, sloop, speedboat, ~fishing vessel, ~wooden sailboat, ~little ship"
    ),
    "bridge": nouns(
        "bridge, bridge, bridge, stone bridge, wooden bridge, footbridge, arch bridge, suspension bridge, viaduct, "
        "old bridge, "
        "foot bridge, arched bridge, rope bridge, ~arched stone bridge, ~wooden footbridge"
    ),
    "windmill": nouns(
        "windmill, windmill, windmill, mill, old mill, dutch windmill, wind turbine, turbine, wind mill, "
        "wooden windmill, "
        "~old windmill, ~dutch mill"
    ),
    "tent": nouns(
        "tent, tent, tent, camp, campsite, camping tent, teepee, tipi, yurt, "
        "tent with a campfire/tents with a campfire, "
        "camp fire, campfire, wigwam, bivouac, camping site, tent by a fire/tents by a fire, ~camping place, ~tent camp"
    ),
    "bird": nouns(
        "bird, bird, bird, seagull, gull, eagle, swallow, goose/geese, crow, hawk, stork, swan, sparrow, pigeon, "
        "raven, crane, "
        "heron, duck, sea gull, dove, falcon, flying bird, pelican, owl, ~flying seagull, ~flying goose/flying geese"
    ),
    "balloon": nouns(
        "balloon, balloon, hot air balloon, hot air balloon, hot-air balloon, air balloon, montgolfier, "
        "floating balloon, "
        "airship, hotair balloon, ~floating air balloon"
    ),
    "flower": nouns(
        "flower, flower, flower, wildflower, wild flower, blossom, bloom, tulip, daisy, rose, flower bed, lily, "
        "meadow flower, "
        "patch of flowers/patches of flowers, carnation, petunia, orchid, crocus, blooming flower, "
        "~wild blossom, ~wild rose"
    ),
    "road": nouns(
        "road, road, road, path, trail, lane, dirt road, winding road, country road, footpath, track, highway, street, "
        "gravel path, pathway, walkway, dirt track, hiking trail, gravel road, country lane, motorway, route, "
        "foot path, "
        "~winding path, ~dirt trail"
    ),
    "deer": nouns(
        "deer/deer, deer/deer, deer/deers, stag, doe, fawn, elk/elk, reindeer/reindeer, roe deer/roe deer, buck, "
        "moose/moose, "
        "hind, roe/roes, red deer/red deer, grazing deer/grazing deer, antelope, ~grazing stag"
    ),
    "rock": nouns(
        "rock, rock, rock, boulder, stone, big rock, large boulder, large rock, giant stone, mossy rock, mossy stone, "
        "big stone, huge boulder, ~mossy boulder, ~giant rock"
    ),
    "tree": nouns(
        "tree, tree, tree, oak, pine tree, fir tree, birch/birches, pine, maple, palm tree, cherry tree, "
        "apple tree, willow, "
        "spruce, oak tree, old tree, big tree, fir, palm, maple tree, bare tree, linden, poplar, cypress, "
        "~old oak tree, ~big pine"
    ),
}

# Nouns that say a colour by themselves.
COLOURED = {
    ("flower", "red"): nouns("poppy, red rose"),
    ("flower", "yellow"): nouns("sunflower, dandelion, buttercup, daffodil"),
    ("flower", "blue"): nouns("bluebell, cornflower, forget-me-not"),
    ("flower", "purple"): nouns("lavender/lavender, lupin, lavender flower"),
    ("flower", "white"): nouns("snowdrop, white lily"),
    ("flower", "orange"): nouns("marigold"),
}

COLOURS = table(
    red="red, red, red, red, scarlet, crimson, ruby, bright red, dark red, cherry red, ruby red, blood red, "
    "vermilion, maroon, "
    "burgundy, ~bright scarlet, ~dark crimson",
    orange="orange, orange, orange, tangerine, bright orange, copper, pumpkin orange, apricot, dark orange, amber, "
    "~copper orange",
    yellow="yellow, yellow, yellow, lemon yellow, golden, gold, mustard, bright yellow, canary yellow, lemon, "
    "mustard yellow, "
    "~bright golden, ~light yellow",
    green="green, green, green, emerald, lime, olive, dark green, emerald green, bright green, lime green, "
    "olive green, mint, "
    "moss green, ~dark emerald, ~light green",
    blue="blue, blue, blue, navy, azure, cobalt, dark blue, light blue, navy blue, sky blue, bright blue, "
    "turquoise, teal, "
    "royal blue, indigo, sapphire, cyan, ~azure blue, ~dark navy",
    purple="purple, purple, purple, violet, lilac, lavender, magenta, mauve, plum, dark purple, bright purple, "
    "pink, fuchsia, "
    "~dark violet, ~light purple",
    white="white, white, white, ivory, snow-white, cream, white-painted, whitewashed, bright white, snow white, pearl, "
    "~ivory white",
    black="black, black, black, jet-black, ebony, pitch black, dark black, coal-black, jet black, inky black, "
    "~ebony black",
)

SIDES = table(
    left="on the left, on the left, on the left, to the left, on the left side, at the left, at left, left, "
    "in the left part of the picture, on the left-hand side, left of the picture, on the far left, on left, "
    "on the left of the picture, to the left of the image, in the left half, on the left hand side, left side, "
    "at the left edge, towards the left, ~at the left side of the image, ~in the left part",
    middle="in the middle, in the middle, in the centre, in the center, at the centre, "
    "in the middle of the picture, centered, "
    "centred, in the center of the image, center, middle, right in the middle, at the center, dead centre, "
    "in the very middle, placed in the middle, centrally, ~in the centre of the picture, ~in the middle of the image",
    right="on the right, on the right, on the right, to the right, on the right side, at the right, at right, right, "
    "in the right part of the picture, on the right-hand side, right of the picture, on the far right, on right, "
    "on the right of the picture, to the right of the image, in the right half, on the right hand side, right side, "
    "at the right edge, towards the right, ~at the right side of the image, ~in the right part",
)

COUNTS = {
    1: words(
        "a, a, a, a, one, 1, a single, a lone, exactly one, just one, one single, only one, an isolated, ~just a single"
    ),
    2: words("two, two, two, 2, a pair of, a couple of, exactly two, twin, two, just two, ~exactly 2"),
    3: words("three, three, three, 3, a trio of, exactly three, three, a group of three, just three, ~exactly 3"),
    4: words("four, four, four, 4, exactly four, a group of four, four, just four, ~exactly 4"),
}

SOME = words(
    "some, several, a few, many, a bunch of, lots of, multiple, various, a number of, plenty of, a lot of, ~quite a few"
)

GATHERED = {
    "bird": words("a flock of, flocks of, a swarm of"),
    "flower": words("a carpet of, a bed of, a patch of, bunches of"),
    "deer": words("a herd of"),
    "boat": words("a fleet of"),
    "tree": words("a row of, a group of"),
    "rock": words("a pile of"),
    "cabin": words("a row of, a village of, a cluster of"),
}

SIZES = words(
    "small, little, tiny, old, big, large, lonely, wooden, cute, beautiful, distant, pretty, rustic, simple, great, "
    "lovely, "
    "~tiny little"
)

AFTER_COLOUR = words(
    "{noun} in {colour}, {noun} painted {colour}, {noun} of {colour} colour, {noun} ({colour}), {noun} {colour}, "
    "~{noun} coloured {colour}"
)

DENIALS = words(
    "no {many}, no {many}, without {many}, without {one}, without any {many}, but no {many}, free of {many}, "
    "no {name}, "
    "not a single {name}, with no {many}, with no {name}, there are no {many}, don't draw any {many}, "
    "please no {many}, "
    "minus the {many}, exclude {many}, avoid {many}, leave out the {many}, no {many} please, zero {many}, 0 {many}, "
    "no {name} anywhere, no {many} at all, lacking {many}, nothing with {many}, there is no {name}, {name}-free, "
    "not any {many}, i don't want {many}, remove the {many}, dont add {many}, without the {name}, no {name} in sight, "
    "w/o {many}, w/o {name}, there should be no {many}, nor any {many}, there must not be {one}, skip the {many}, "
    "nobody wants {many}, "
    "neither {many}, there isn't any {name}, not one {name}, never {one}, {many} not allowed, but without {many}, "
    "but not {one}, ~not even {one}, ~and please leave out {many}, "
    "~without a single {name}, ~no {many} in the picture"
)

PRESENCE = words(
    "there is {thing}, there are {thing}, you can see {thing}, we see {thing}, i can see {thing}, {thing} can be seen, "
    "it has {thing}, also {thing}, look for {thing}, {thing}, include {thing}, don't forget {thing}, add {thing}, "
    "{thing} completes the scene, put {thing}, ~the picture also has {thing}, ~please include {thing}"
)

DOING = {
    "cabin": words(
        "with light inside, with smoke, in front, with lit windows, with a chimney, stands, sits, standing there, "
        "sitting, hidden"
    ),
    "boat": words(
        "sailing, floating, drifting by, on the water, at anchor, moored, sails, floats, drifting, struggling, "
        "passing by, docked"
    ),
    "bridge": words("in front, crossing it, over the water, leading across, across, spanning it"),
    "windmill": words("turning, spinning, standing, turns slowly, in the wind, stands, on top"),
    "tent": words("pitched, with a campfire, by a fire, with a fire burning, set up, is pitched"),
    "bird": words(
        "flying, in the sky, flying by, above, circling, overhead, fly, in the air, soaring, on the wing, calling"
    ),
    "balloon": words("floating by, in the sky, in the air, drifting, above, flying, rising, floats, drifting past"),
    "flower": words(
        "everywhere, blooming, in bloom, in front, in the foreground, growing, all over the place, swaying"
    ),
    "road": words(
        "leading to it, winding through, going up, in front, winding along, leads there, running through, "
        "into the distance"
    ),
    "deer": words(
        "grazing, standing, watching, drinking, standing there, looking at us, stands, walking, watches from afar, "
        "running"
    ),
    "rock": words("lying around, covered in moss, in front, in the foreground, lie there, scattered around"),
    "tree": words("growing, around it, standing tall, in front, all around, stands, in the foreground, swaying"),
}


def noun_phrase(noun: Noun, thing: Thing, counted: bool, colour: str | None, choose: Chooser) -> str:
    """ "two red boats": the count if told, the colour if told; an untold count is a bare noun or "some"."""
    if colour and (thing.kind, colour) in COLOURED and choose.chance(0.2):
        noun, colour = choose.one(COLOURED[thing.kind, colour]), None
    word = choose.one(COLOURS[colour]) if colour else ""
    several = thing.count > 1 or (thing.kind in UNCOUNTED and choose.chance(0.85))
    name = noun.plural if several else noun.singular
    if word and choose.chance(0.1):
        name, word = choose.one(AFTER_COLOUR).format(noun=name, colour=word), ""
    before = f"{choose.one(SIZES)} " if choose.chance(0.08) else ""
    name = f"{before}{word} {name}".strip()
    if thing.kind in SINGLE | UNCOUNTED:
        quantity = choose.among(("", "some", "many")) if several else choose.among(("a", "a", "", "the"))
    elif counted:
        quantity = choose.one(COUNTS[thing.count])
    else:
        quantity = choose.one(SOME) if several and choose.chance(0.5) else ""
    if several and not counted and thing.kind in GATHERED and choose.chance(0.15):
        quantity = choose.one(GATHERED[thing.kind])
    return f"{quantity} {name}".strip()
