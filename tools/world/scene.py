"""What a picture of this world is: a subject at a time of day, in a weather, a season and a style, with objects in it.

A `Scene` always says everything. What a caption leaves out is drawn at random (`draw`), so that a prompt that names the
subject alone has a thousand different pictures; what no caption can name (horizon, camera, hue, composition) is the
renderer's to draw from its seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SUBJECTS = (
    "mountains",
    "hills",
    "dunes",
    "canyon",
    "islands",
    "lake",
    "sea",
    "beach",
    "forest",
    "city",
    "castle",
    "lighthouse",
    "waterfall",
    "volcano",
    "aurora",
)
TIMES = ("dawn", "noon", "sunset", "dusk", "night")
WEATHERS = ("clear", "rain", "snow", "fog", "storm")
SEASONS = ("spring", "summer", "autumn", "winter")
STYLES = ("photo", "watercolour", "oil", "pastel")
KINDS = (
    "cabin",
    "boat",
    "bridge",
    "windmill",
    "tent",
    "bird",
    "balloon",
    "flower",
    "road",
    "deer",
    "rock",
    "tree",
)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
SIDES = ("left", "middle", "right")
MOST_OBJECTS = 3
MOST_OF_A_KIND = 4
_FIELDS = ("count", "colour", "side")
# How likely each value is where nothing is told; the others are equally likely.
_SHARES = {"weather": (0.4, 0.15, 0.15, 0.15, 0.15)}

# Kinds that come in one colour, or once only, however they are asked for.
UNCOLOURED = frozenset({"bird", "deer", "rock", "tree", "road", "bridge"})
SINGLE = frozenset({"road", "bridge"})
# A bed of flowers is not counted; two flowers are nothing a painter at this size could show.
UNCOUNTED = frozenset({"flower"})


@dataclass(frozen=True)
class Thing:
    """Objects of one kind: how many, in which colour (None for uncoloured kinds), on which side of the picture."""

    kind: str
    count: int = 1
    colour: str | None = None
    side: str = "middle"

    def __post_init__(self) -> None:
        _check("kind", self.kind, KINDS)
        _check("side", self.side, SIDES)
        if self.kind in UNCOLOURED:
            _check("colour", self.colour, (None,))
        else:
            _check("colour", self.colour, COLOURS)
        most = 1 if self.kind in SINGLE | UNCOUNTED else MOST_OF_A_KIND
        _check("count", self.count, tuple(range(1, most + 1)))


@dataclass(frozen=True)
class Scene:
    """One landscape, told completely. Raises ValueError for a word outside the vocabularies above."""

    subject: str
    time: str
    weather: str
    season: str
    style: str
    things: tuple[Thing, ...] = ()

    def __post_init__(self) -> None:
        for name, allowed in ATTRIBUTES.items():
            _check(name, getattr(self, name), allowed)
        kinds = [thing.kind for thing in self.things]
        if len(kinds) > MOST_OBJECTS or len(set(kinds)) < len(kinds):
            raise ValueError(f"things are {', '.join(kinds)}; at most {MOST_OBJECTS} different kinds")


ATTRIBUTES = {"subject": SUBJECTS, "time": TIMES, "weather": WEATHERS, "season": SEASONS, "style": STYLES}


@dataclass(frozen=True)
class Told:
    """What a caption says of a scene; None and absent things are not mentioned, things in `without` are denied.

    Of a thing, `count`, `colour` and `side` may each be left open: `open_` has a (kind, field) pair for each that is,
    and the value in `things` is then only what happened to be drawn.
    """

    subject: str | None = None
    time: str | None = None
    weather: str | None = None
    season: str | None = None
    style: str | None = None
    things: tuple[Thing, ...] = ()
    open_: frozenset[tuple[str, str]] = frozenset()
    without: frozenset[str] = field(default_factory=frozenset)


def draw_thing(kind: str, rng: np.random.Generator) -> Thing:
    """Objects of `kind` in a random number, colour and place; one is the commonest number."""
    single = kind in SINGLE | UNCOUNTED
    count = 1 if single else int(rng.choice(MOST_OF_A_KIND, p=(0.5, 0.25, 0.15, 0.1))) + 1
    colour = None if kind in UNCOLOURED else str(rng.choice(COLOURS))
    return Thing(kind, count, colour, str(rng.choice(SIDES)))


def draw(rng: np.random.Generator, told: Told | None = None) -> Scene:
    """A random scene that keeps to what is `told`.

    Where no weather is told, two in five pictures are clear: enough of every other, and not rain on most castles.
    """
    told = told or Told()
    words = {
        name: getattr(told, name) or str(rng.choice(values, p=_SHARES.get(name))) for name, values in ATTRIBUTES.items()
    }
    things = [_complete(thing, told, rng) for thing in told.things]
    room = MOST_OBJECTS - len(things)
    free = [kind for kind in KINDS if kind not in told.without and kind not in {thing.kind for thing in things}]
    extra = min(room, int(rng.choice(4, p=(0.45, 0.3, 0.17, 0.08))))
    things += [draw_thing(str(kind), rng) for kind in rng.choice(free, size=extra, replace=False)]
    return Scene(**words, things=tuple(things))


def tell(scene: Scene, rng: np.random.Generator, drop: float = 0.45) -> Told:
    """What a caption of `scene` might say: each attribute and each thing is dropped with probability `drop`.

    Something is always said. Denied kinds are drawn from those the scene does not have.
    """
    keep = {name: None if rng.random() < drop else getattr(scene, name) for name in ATTRIBUTES}
    things = tuple(thing for thing in scene.things if rng.random() >= drop)
    if not things and not any(keep.values()):
        keep["subject"] = scene.subject
    open_ = frozenset((thing.kind, name) for thing in things for name in _FIELDS if rng.random() < drop)
    absent = [kind for kind in KINDS if kind not in {thing.kind for thing in scene.things}]
    without = frozenset({str(rng.choice(absent))}) if rng.random() < 0.06 else frozenset()
    return Told(**keep, things=things, open_=open_, without=without)


def _complete(thing: Thing, told: Told, rng: np.random.Generator) -> Thing:
    drawn = draw_thing(thing.kind, rng)
    values = {name: getattr(drawn if (thing.kind, name) in told.open_ else thing, name) for name in _FIELDS}
    return Thing(thing.kind, **values)


def _check(name: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(map(str, allowed))}")
