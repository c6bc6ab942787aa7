"""A scene as a row of small integers, kept beside its picture; and the rule that says which scenes are held out.

One in twenty combinations of subject, time, weather, season and style never enters a training set.
"""

import numpy as np

from tools.world.scene import ATTRIBUTES, COLOURS, KINDS, MOST_OBJECTS, SIDES, Scene, Thing

_FIRST_THING = len(ATTRIBUTES)
WIDTH = _FIRST_THING + 4 * MOST_OBJECTS
HELDOUT_SHARE = 20


def to_codes(scene: Scene) -> np.ndarray:
    """The scene as int8 [WIDTH]: its five attributes, then kind, count, colour and side of each thing; -1 for none."""
    row = np.full(WIDTH, -1, np.int8)
    row[:_FIRST_THING] = [values.index(getattr(scene, name)) for name, values in ATTRIBUTES.items()]
    for number, thing in enumerate(scene.things):
        colour = -1 if thing.colour is None else COLOURS.index(thing.colour)
        start = _FIRST_THING + 4 * number
        row[start : start + 4] = KINDS.index(thing.kind), thing.count, colour, SIDES.index(thing.side)
    return row


def to_scene(row: np.ndarray) -> Scene:
    """The inverse of `to_codes`. Raises IndexError or ValueError for a row that is no scene."""
    words = {name: values[row[i]] for i, (name, values) in enumerate(ATTRIBUTES.items())}
    things = tuple(
        Thing(KINDS[kind], int(count), None if colour < 0 else COLOURS[colour], SIDES[side])
        for kind, count, colour, side in row[_FIRST_THING:].reshape(-1, 4)
        if kind >= 0
    )
    return Scene(**words, things=things)


def is_heldout(scene: Scene) -> bool:
    """Whether the combination of the scene's five attributes is one that no training set has."""
    number = 0
    for name, values in ATTRIBUTES.items():
        number = number * len(values) + values.index(getattr(scene, name))
    return (number * 2654435761 >> 7) % HELDOUT_SHARE == 0
