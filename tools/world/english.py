"""English: the words of the new world, and what people add for luck."""

from tools.world.english_moods import ADJECTIVES, CLAUSES, ITEMS, PAIRS, SENTENCES, STYLE_OPENINGS
from tools.world.english_places import BACKDROPS, NOWHERE, PREPOSITIONS, SUBJECTS
from tools.world.english_things import DENIALS, DOING, KINDS, PRESENCE, SIDES, noun_phrase
from tools.world.lexicon import Lexicon, words

OPENINGS = words(
    "a view of, view of, a picture of, an image of, a scene of, a landscape with, picture of, image of, "
    "a wide view of, "
    "a scene with, please draw, draw me, can you make, show me, i would like, give me, generate, create an image of, "
    "please make, i want, make, paint me, a vista of, looking at, imagine, let's see, a depiction of, could you paint, "
    "wallpaper of, a postcard of, create, i'd love to see, a wide shot of, close-up of, an aerial view of, render, "
    "a panorama of, a poster of, illustration of, ~a wide picture of, ~could you please make, ~i would love a view of"
)

PRAISE = words(
    "beautiful, stunning, peaceful, lovely, scenic, gorgeous, calm, pretty, majestic, breathtaking, epic, serene, "
    "dramatic, "
    "idyllic, dreamy, amazing, wonderful, magnificent, quiet, tranquil, romantic, awesome, nice, wild, remote, moody, "
    "picturesque, spectacular, vast, mysterious, charming, fantastic, huge, atmospheric, lonely, ~wonderfully calm"
)

FILLERS = words(
    "masterpiece, 4k, 8k, hd, highly detailed, trending on artstation, best quality, ultra detailed, cinematic, "
    "wide angle, "
    "wallpaper, award winning, unreal engine, no people, no text, no watermark, thanks, please, nature, scenery, "
    "peaceful, "
    "landscape, my favourite, nice colors, digital art, illustration, wide shot, minimal, postcard, art, "
    "high resolution, "
    "beautiful, dramatic light, soft light, epic, serene, intricate, sharp focus, vivid colors, calm mood, "
    "atmospheric, "
    "composition, rule of thirds, depth, golden ratio, panoramic, panorama, artstation, octane render, cozy, "
    "nostalgic, "
    "relaxing, without people, for my living room, as a gift, dreamlike, fantasy, ethereal, trending, hdr, perfect, "
    "moody, "
    "studio ghibli vibes, very nice, for my phone, background, desktop background, nobody around, empty, no humans, "
    "lots of detail, detailed background, wide format, ~thank you very much, ~very beautiful"
)

INTRODUCTIONS = words(
    "{core}, this is {core}, imagine {core}, i dreamt of {core}, picture {core}, we stand before {core}, "
    "we are at {core}, "
    "the picture shows {core}, here is {core}, before us lies {core}, please paint {core}, in front of us is {core}, "
    "a story begins at {core}, ~i dreamt of a picture of {core}, ~here we stand before {core}"
)

ASIDES = words(
    "the air is still, nobody is around, it feels like home, i remember this place from my childhood, "
    "it is very quiet, "
    "a scene full of calm, time stands still, it should look wonderful, make it beautiful, everything is peaceful, "
    "i love this place, make it look amazing, thank you, take your time, surprise me, it is for my grandmother, "
    "the mood is calm, be creative, use nice colours, the colours are soft, the silence is deep, what a place, "
    "it should feel cosy, no people please, ~i love the calm of this place"
)

STRAYS = words(
    "very, really, just, maybe, like, totally, again, still, always, today, somehow, my, our, his, her, "
    "perfect, favourite, lol, ok, hey, hello, tall, wide, far, around, inside, outside, waiting, "
    "walking, looking, coming, going, slowly, quietly, finally, now, here, then, when, we, you, they, "
    "people, man, woman, child, dog, cat, horse, car, train, late, early, perhaps, also, even, only, "
    "pls, plz, for, mom, dad, friends, holiday, trip, old, new, strange, weird, funny, cool, sad, happy, "
    "love, style, of, from, up, down, near, it, its, this, that, these, so, such, rather, quite, almost, "
    "something, thing, place, world, dream, sleeping, reading, story, once, upon, upon, little, grand, "
    "mighty, deep, rough, smooth, bicycle, fence, sofa, piano, sheep, cow, fox, rabbit, wolf, fish, "
    "bench, guitar, umbrella, robot, dragon, unicorn, clock, chair, table, lamp, apple, tower, shadow, "
    "reflection, horizon, distance, foreground, background, magic, secret, ancient, modern, simple, "
    "days, years"
)

ENGLISH = Lexicon(
    subjects=SUBJECTS,
    backdrops=BACKDROPS,
    adjectives=ADJECTIVES,
    clauses=CLAUSES,
    items=ITEMS,
    style_openings=STYLE_OPENINGS,
    kinds=KINDS,
    sides=SIDES,
    noun_phrase=noun_phrase,
    denials=DENIALS,
    articles=("a", "an", "the"),
    joining=words(
        "with, with, with, and, w/, w, and also, featuring, plus, showing, having, that has, where there is, "
        "including, ~along with"
    ),
    conjunctions=words("and, and, and, plus, as well as, with, &, while, and then, ~together with"),
    prepositions=PREPOSITIONS,
    nowhere=NOWHERE,
    openings=OPENINGS,
    praise=PRAISE,
    fillers=FILLERS,
    presence=PRESENCE,
    pairs=PAIRS,
    sentences=SENTENCES,
    doing=DOING,
    strays=STRAYS.train,
    inflections=(("is", "was"), ("are", "were"), ("has", "had")),
    introductions=INTRODUCTIONS,
    asides=ASIDES,
)
