"""Puts what is told into words: a list of tags, a phrase, or a few sentences, in any of the lexicons' languages.

A form decides where each told attribute goes: before the subject ("snowy mountains"), after it ("in the snow"), in
front of everything, at the end of the list, or into a sentence of its own. Nothing is said that is not told.
"""

import re

from tools.world.lexicon import Chooser, Lexicon
from tools.world.scene import ATTRIBUTES, KINDS, Thing, Told

FORMS = {"tags": 0.25, "phrase": 0.42, "things first": 0.13, "prose": 0.2}
PLACES = {"before": 0.3, "after": 0.42, "front": 0.08, "item": 0.2}
MOODS = ("time", "weather", "season", "style")
SEPARATORS = (", ", ", ", ", ", ", ", " ", "; ", " | ", " - ", " / ", " + ", ". ", ",")


def compose(told: Told, lexicon: Lexicon, choose: Chooser) -> str:
    """A caption of `told`, without slips, in lower case."""
    form = choose.weighted(FORMS)
    if form == "tags":
        return _tags(told, lexicon, choose)
    if form == "prose":
        return _loosen(_prose(told, lexicon, choose), lexicon, choose)
    return _loosen(_phrase(told, lexicon, choose, things_first=form == "things first"), lexicon, choose)


def describe(thing: Thing, told: Told, lexicon: Lexicon, choose: Chooser) -> str:
    """A thing with whatever is told of its count, colour and side: "two red boats on the left"."""
    noun = choose.one(lexicon.kinds[thing.kind])
    colour = None if (thing.kind, "colour") in told.open_ else thing.colour
    phrase = lexicon.noun_phrase(noun, thing, (thing.kind, "count") not in told.open_, colour, choose)
    if thing.kind in lexicon.doing and choose.chance(0.12):
        phrase = f"{phrase} {choose.one(lexicon.doing[thing.kind])}"
    if (thing.kind, "side") in told.open_:
        return phrase
    side = choose.one(lexicon.sides[thing.side])
    return f"{side} {phrase}" if choose.chance(0.15) else f"{phrase} {side}"


def deny(kind: str, lexicon: Lexicon, choose: Chooser) -> str:
    """Words for the absence of `kind`: "no boats"."""
    noun = choose.one(lexicon.kinds[kind])
    article = {"m": 0, "f": 1, "n": 0}[noun.gender]
    one = f"{lexicon.articles[article] if lexicon.articles[0] != 'a' else 'a'} {noun.singular}"
    return choose.one(lexicon.denials).format(one=one, many=noun.plural, name=noun.singular)


def _tags(told: Told, lexicon: Lexicon, choose: Chooser) -> str:
    labelled = choose.chance(0.05)
    items = [] if told.subject is None else [_bare(choose.one(lexicon.subjects[told.subject]), lexicon)]
    moods = _moods(told, lexicon, choose, "item")
    items += [f"{name.split()[0]}: {word}" if labelled else word for name, word in moods.items()]
    items += [describe(thing, told, lexicon, choose) for thing in told.things]
    items += [deny(kind, lexicon, choose) for kind in _denied(told, choose)]
    items += _fill(lexicon, choose, 0.3)
    first = items[:1] if told.subject and choose.chance(0.5) else []
    return choose.among(SEPARATORS).join(first + choose.shuffled(items[len(first) :]))


def _phrase(told: Told, lexicon: Lexicon, choose: Chooser, things_first: bool) -> str:
    places: dict[str, list[str]] = {place: [] for place in PLACES}
    opening = choose.one(lexicon.openings) if choose.chance(0.25) else ""
    style = told.style
    if style and choose.chance(0.5):
        opening, style = choose.one(lexicon.style_openings[style]), None
    for name in _units(told, lexicon, choose):
        if name == "style" and style is None:
            continue
        place = choose.weighted(PLACES)
        if place == "before" and (len(places["before"]) == 2 or not _pool(name, told, lexicon, "before")):
            place = "after"
        pool = _pool(name, told, lexicon, place)
        if pool is None:
            place, pool = "item", _pool(name, told, lexicon, "item")
        places[place].append(choose.one(pool))
    core = _core(told, lexicon, choose, places["before"])
    after = " ".join(choose.shuffled(places["after"]))
    things = _series(
        [describe(thing, told, lexicon, choose) for thing in choose.shuffled(told.things)], lexicon, choose
    )
    if things and things_first:
        preposition = choose.one(lexicon.prepositions)
        body = f"{things} {preposition} {core} {after}" if told.subject or places["before"] else f"{things} {after}"
    elif things:
        joining = ", " if choose.chance(0.25) else f" {choose.one(lexicon.joining)} "
        parts = (core, joining + things, " " + after) if choose.chance(0.35) else (core, " " + after, joining + things)
        body = "".join(parts)
    else:
        body = f"{core} {after}"
    denials = [deny(kind, lexicon, choose) for kind in _denied(told, choose)]
    body = f"{opening} {body}" if opening else body
    if denials and choose.chance(0.6):
        body, denials = " ".join((body, f" {choose.one(lexicon.conjunctions)} ".join(denials))), []
    tail = choose.shuffled(places["item"] + denials + _fill(lexicon, choose, 0.25))
    return ", ".join(part.strip() for part in (*places["front"], body, *tail))


def _prose(told: Told, lexicon: Lexicon, choose: Chooser) -> str:
    sentences, kept = [], {}
    for name in ATTRIBUTES:
        value = getattr(told, name)
        own = lexicon.sentences.get(name, {}).get(value) if value else None
        if own and choose.chance(0.5):
            sentences.append(choose.one(own))
        else:
            kept[name] = value
    things = choose.shuffled(told.things)
    split = len(things) if choose.chance(0.5) else 0
    first = _phrase(Told(**kept, things=tuple(things[:split]), open_=told.open_), lexicon, choose, choose.chance(0.3))
    if not any(kept.values()) and not split:
        first = choose.one(lexicon.openings) + " " + choose.one(lexicon.nowhere)
    for thing in things[split:]:
        sentences.append(choose.one(lexicon.presence).format(thing=describe(thing, told, lexicon, choose)))
    sentences += [deny(kind, lexicon, choose) for kind in _denied(told, choose)]
    sentences += [choose.one(lexicon.asides) for _ in range(3) if choose.chance(0.3)]
    first = choose.one(lexicon.introductions).format(core=first)
    rest = choose.shuffled(sentences)
    ordered = [first, *rest] if choose.chance(0.8) else choose.shuffled([first, *rest])
    return choose.among((". ", ". ", ". ", ", ", "; ", "! ")).join(ordered) + choose.among((".", "", ".", "!"))


def _core(told: Told, lexicon: Lexicon, choose: Chooser, before: list[str]) -> str:
    """The subject, or a word for any place, with adjectives between its article and its noun."""
    if told.subject is None and told.things and not before:
        return choose.one(lexicon.nowhere) if choose.chance(0.5) else ""
    pool = lexicon.nowhere if told.subject is None else lexicon.subjects[told.subject]
    noun = choose.one(pool)
    if told.subject in lexicon.backdrops and choose.chance(0.12):
        noun = f"{noun} {choose.one(lexicon.backdrops[told.subject])}"
    adjectives = choose.shuffled(before)
    if choose.chance(0.12):
        adjectives.insert(0, choose.one(lexicon.praise))
    article, _, rest = noun.partition(" ")
    if not rest or article not in lexicon.articles:
        article, rest = "", noun
    if choose.chance(0.2):
        article = ""
    words = (article, rest, *adjectives) if lexicon.adjectives_follow else (article, *adjectives, rest)
    return " ".join(filter(None, words))


def _units(told: Told, lexicon: Lexicon, choose: Chooser) -> list[str]:
    """The moods to be put into words, where "time weather" is one unit if one word shall say both."""
    told_ones = [name for name in MOODS if getattr(told, name)]
    if (told.time, told.weather) in lexicon.pairs and choose.chance(0.4):
        told_ones = ["time weather", *(name for name in told_ones if name not in ("time", "weather"))]
    return choose.shuffled(told_ones)


def _pool(name: str, told: Told, lexicon: Lexicon, place: str):
    """The words for unit `name` at `place`, or None where the language has none there."""
    if name == "time weather":
        before, after, item = lexicon.pairs[told.time, told.weather]
        return {"before": before, "after": after, "front": after, "item": item}[place]
    value = getattr(told, name)
    tables = {"before": lexicon.adjectives, "after": lexicon.clauses, "front": lexicon.clauses, "item": lexicon.items}
    return tables[place].get(name, {}).get(value)


def _moods(told: Told, lexicon: Lexicon, choose: Chooser, place: str) -> dict[str, str]:
    return {name: choose.one(_pool(name, told, lexicon, place)) for name in _units(told, lexicon, choose)}


def _series(phrases: list[str], lexicon: Lexicon, choose: Chooser) -> str:
    """ "a, b and c", or joined throughout by commas or "and"."""
    if len(phrases) < 2:
        return "".join(phrases)
    last = f" {choose.one(lexicon.conjunctions)} "
    between = choose.among((", ", ", ", last))
    return between.join(phrases[:-1]) + choose.among((last, last, ", ")) + phrases[-1]


def _loosen(text: str, lexicon: Lexicon, choose: Chooser) -> str:
    """`text` with another case or tense now and then, and stray words between its own."""
    for word, inflected in lexicon.inflections:
        if word in text and choose.chance(0.3):
            text = re.sub(rf"\b{word}\b", inflected, text)
    if lexicon.strays and choose.chance(0.12):
        parts = text.split(" ")
        for _ in range(choose.among((1, 1, 2, 3))):
            parts.insert(choose.among(range(len(parts) + 1)), choose.among(lexicon.strays))
        text = " ".join(parts)
    return text


def _bare(noun: str, lexicon: Lexicon) -> str:
    article, _, rest = noun.partition(" ")
    return rest if rest and article in lexicon.articles else noun


def _denied(told: Told, choose: Chooser) -> list[str]:
    return choose.shuffled([kind for kind in KINDS if kind in told.without])


def _fill(lexicon: Lexicon, choose: Chooser, probability: float) -> list[str]:
    return (
        [choose.one(lexicon.fillers) for _ in range(choose.among((1, 1, 2, 3)))] if choose.chance(probability) else []
    )
