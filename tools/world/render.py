"""Draws a scene: composition, air, sky, the subject, the season's signs, the things, the weather, the painter's hand.

Every stage draws its chances from a stream of its own, so that two scenes that differ in one word share the rest:
the same seed gives the same composition at another time of day. Colours are linear light until `colour.shown`.
"""

from collections.abc import Callable

import numpy as np

from tools.world.air import Air, breathe
from tools.world.canvas import Canvas, blank
from tools.world.city import paint_city
from tools.world.colour import shown
from tools.world.cues import paint_cues
from tools.world.falls import paint_waterfall
from tools.world.forest import paint_forest
from tools.world.land import (
    paint_canyon,
    paint_castle,
    paint_dunes,
    paint_hills,
    paint_islands,
    paint_lake,
    paint_mountains,
    paint_northern,
    paint_volcano,
)
from tools.world.noise import mix
from tools.world.placing import place_things
from tools.world.scene import Scene
from tools.world.shore import paint_beach, paint_lighthouse, paint_sea
from tools.world.sky import paint_sky
from tools.world.styles import styled
from tools.world.view import compose
from tools.world.weather import falling, paint_lightning, paint_mist

_PAINTERS: dict[str, Callable[[Canvas, Air, np.random.Generator], None]] = {
    "mountains": paint_mountains,
    "hills": paint_hills,
    "dunes": paint_dunes,
    "canyon": paint_canyon,
    "islands": paint_islands,
    "lake": paint_lake,
    "sea": paint_sea,
    "beach": paint_beach,
    "forest": paint_forest,
    "city": paint_city,
    "castle": paint_castle,
    "lighthouse": paint_lighthouse,
    "waterfall": paint_waterfall,
    "volcano": paint_volcano,
    "aurora": paint_northern,
}
# Where the horizon may lie, in picture heights from the top; elsewhere 0.3 to 0.75.
_HORIZONS = {
    "beach": (0.25, 0.55),
    "city": (0.5, 0.76),
    "castle": (0.42, 0.72),
    "lighthouse": (0.45, 0.75),
    "waterfall": (0.45, 0.7),
    "volcano": (0.42, 0.75),
    "aurora": (0.5, 0.78),
    "lake": (0.3, 0.66),
    "forest": (0.35, 0.68),
}


def render(scene: Scene, seed: int, height: int = 256, width: int = 256) -> np.ndarray:
    """The picture [H, W, 3] uint8 of `scene`. What the scene leaves open is drawn from `seed`."""
    layout, weather, sky, subject, cues, things, drops, hand = np.random.default_rng(seed).spawn(8)
    view = compose(height, width, layout, *_HORIZONS.get(scene.subject, (0.3, 0.75)))
    air = breathe(scene, weather)
    canvas = blank(view)
    paint_sky(canvas, air, sky)
    if scene.weather == "storm":
        paint_lightning(canvas, air, sky)
    _PAINTERS[scene.subject](canvas, air, subject)
    paint_cues(canvas, air, scene.subject, cues)
    place_things(canvas, air, scene.things, things)
    if scene.weather == "fog":
        paint_mist(canvas, air, drops)
    picture = styled(_framed(shown(canvas.pixels), hand), scene.style, hand)
    # What falls is added to the painting: a brush that flattens small forms would sweep it away.
    colour, share = falling(view, air, drops)
    return np.asarray(mix(picture, shown(colour), share[..., None]) * 255 + 0.5, np.uint8)


def _framed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrast as a camera gives it, and corners a little darker."""
    height, width = picture.shape[:2]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    dark = 1 - rng.uniform(0.03, 0.16) * (x * x + y * y) / 2
    punch = rng.uniform(0.0, 0.35)
    curved = picture + punch * (picture * picture * (3 - 2 * picture) - picture)
    return np.asarray(np.clip(curved * dark[..., None], 0, 1), np.float32)
