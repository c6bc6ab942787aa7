"""The noun phrases French and Spanish share: the colour follows its noun and agrees with it."""

from collections.abc import Mapping

from tools.world.lexicon import Chooser, Noun, NounPhrase, Pool
from tools.world.scene import SINGLE, UNCOUNTED, Thing


def noun_phrases(
    colours: Mapping[str, Pool[str]], numbers: Mapping[int, Pool[str]], some: Pool[str], one: Mapping[str, str]
) -> NounPhrase:
    """Noun phrases of a language; colours are written "m/f/plural m/plural f", `one` is its article by gender."""

    def noun_phrase(noun: Noun, thing: Thing, counted: bool, colour: str | None, choose: Chooser) -> str:
        several = thing.count > 1 or (thing.kind in UNCOUNTED and choose.chance(0.85))
        if several and counted and thing.kind not in SINGLE | UNCOUNTED:
            quantity = choose.one(numbers[thing.count])
        elif several:
            quantity = choose.among(("", choose.one(some)))
        else:
            quantity = one[noun.gender] if counted or (thing.kind in SINGLE and choose.chance(0.5)) else ""
        form = 2 * several + (noun.gender == "f")
        word = choose.one(colours[colour]).split("/")[form] if colour else ""
        return " ".join(filter(None, (quantity, noun.plural if several else noun.singular, word)))

    return noun_phrase
