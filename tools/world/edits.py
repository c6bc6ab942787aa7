"""The twelve kinds of edits of the new world: what a prompt tells before and after, in no words yet."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tools.world.codes import is_heldout
from tools.world.english import ENGLISH
from tools.world.scene import (
    ATTRIBUTES,
    COLOURS,
    KINDS,
    MOST_OF_A_KIND,
    SIDES,
    SINGLE,
    UNCOLOURED,
    UNCOUNTED,
    Scene,
    Thing,
    Told,
    draw,
)

COUNTS = tuple(range(1, MOST_OF_A_KIND + 1))
FIELDS = ("count", "colour", "side")
# Kinds that change the wording alone.
LIGHT = ("paraphrase", "praise")


@dataclass(frozen=True)
class Edit:
    """What the source tells and what the target tells, as far as they agree with themselves.

    `added` is typed behind the target's wording and says the attribute `contested` otherwise; `denied`, a kind of
    things or a value of an attribute, is what the target is asked for without.
    """

    source: Told
    target: Told
    added: str = ""
    contested: str = ""
    denied: str = ""

    @property
    def negative(self) -> str:
        """The target's negative prompt."""
        return f"{self.denied}s" if self.denied in KINDS else self.denied


def draw_scene(split: str, rng: np.random.Generator) -> Scene:
    """A random scene of the split with at least one thing that is counted and coloured."""
    while True:
        scene = draw(rng)
        if is_heldout(scene) == (split == "heldout") and any(map(is_rich, scene.things)):
            return scene


def is_rich(thing: Thing) -> bool:
    """Whether it is counted and coloured."""
    return thing.kind not in UNCOLOURED | UNCOUNTED | SINGLE


def _told(scene: Scene, rng: np.random.Generator, keep: tuple[str, ...] = (), things: int = 1, **fields: bool) -> Told:
    """The subject, the attributes of `keep` and one more, and `things` things with those `fields` told."""
    others = [name for name in ATTRIBUTES if name not in ("subject", *keep)]
    kept = {"subject", *keep, str(rng.choice(others))}
    attributes = {name: getattr(scene, name) if name in kept else None for name in ATTRIBUTES}
    first = sorted(scene.things, key=lambda thing: not is_rich(thing))[:things]
    open_ = frozenset((thing.kind, name) for thing in first for name in FIELDS if not fields.get(name, False))
    return Told(**attributes, things=tuple(first), open_=open_)


def other(values: tuple, value: object, rng: np.random.Generator):
    """Another of `values`."""
    return [each for each in values if each != value][int(rng.integers(len(values) - 1))]


def _two(scene: Scene, rng: np.random.Generator) -> Edit:
    """Two attributes at once."""
    names = tuple(map(str, rng.choice([name for name in ATTRIBUTES if name != "subject"], 2, replace=False)))
    told = _told(scene, rng, names, things=int(rng.random() < 0.4))
    return Edit(told, replace(told, **{name: other(ATTRIBUTES[name], getattr(told, name), rng) for name in names}))


def _adding(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, colour=rng.random() < 0.5)
    return Edit(replace(told, things=(), open_=frozenset()), told)


def _removing(scene: Scene, rng: np.random.Generator) -> Edit:
    edit = _adding(scene, rng)
    return Edit(edit.target, edit.source)


def _counting(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, count=True)
    thing = told.things[0]
    return Edit(told, replace(told, things=(replace(thing, count=other(COUNTS, thing.count, rng)),)))


def _colouring(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, colour=True)
    thing = told.things[0]
    return Edit(told, replace(told, things=(replace(thing, colour=other(COLOURS, thing.colour, rng)),)))


def _moving(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, side=True)
    thing = told.things[0]
    return Edit(told, replace(told, things=(replace(thing, side=other(SIDES, thing.side, rng)),)))


def _style(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, ("style",), things=int(rng.random() < 0.5))
    return Edit(told, replace(told, style=other(ATTRIBUTES["style"], told.style, rng)))


def _negative(scene: Scene, rng: np.random.Generator) -> Edit:
    """The same prompt, and one thing or mood that shall not be."""
    told = _told(scene, rng, things=int(rng.random() < 0.3))
    mentioned = {thing.kind for thing in told.things}
    choices = [kind for kind in ("bird", "tree", "rock", "cabin", "boat") if kind not in mentioned]
    for name in ("weather", "time", "season"):
        if getattr(told, name) is None:
            choices += [value for value in ATTRIBUTES[name] if value not in ("clear", "noon")]
    return Edit(told, told, denied=str(rng.choice(choices)))


def _contradiction(scene: Scene, rng: np.random.Generator) -> Edit:
    """What was told stays, and its opposite is added."""
    name = str(rng.choice(("time", "weather", "season")))
    told = _told(scene, rng, (name,), things=0)
    pool = ENGLISH.clauses[name][other(ATTRIBUTES[name], getattr(told, name), rng)]
    return Edit(told, told, str(rng.choice(pool.train[:6])), contested=name)


def _long(scene: Scene, rng: np.random.Generator) -> Edit:
    """One attribute of a prompt that says much."""
    name = str(rng.choice(("time", "weather", "season", "style")))
    told = _told(scene, rng, (name, "subject"), things=len(scene.things), count=True, colour=True)
    return Edit(told, replace(told, **{name: other(ATTRIBUTES[name], getattr(told, name), rng)}))


def _same(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=int(rng.random() < 0.5))
    return Edit(told, told)


EDITS: dict[str, Callable[[Scene, np.random.Generator], Edit]] = {
    "two attributes": _two,
    "adding": _adding,
    "removing": _removing,
    "counting": _counting,
    "colouring": _colouring,
    "moving": _moving,
    "style": _style,
    "negative": _negative,
    "contradiction": _contradiction,
    "long": _long,
    "paraphrase": _same,
    "praise": _same,
}
