import itertools

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity

from tools.world.render import render
from tools.world.scene import (
    ATTRIBUTES,
    COLOURS,
    KINDS,
    SIDES,
    SINGLE,
    SUBJECTS,
    UNCOLOURED,
    UNCOUNTED,
    Scene,
    Thing,
    draw,
)
from tools.world.styles import styled

NOON = {"subject": "hills", "time": "noon", "weather": "clear", "season": "summer", "style": "photo"}
SIZES = ((192, 192), (128, 192), (192, 128))


def covering() -> list[Scene]:
    """Scenes that between them hold every value of every attribute, every kind, colour, count and side."""
    scenes = []
    for k, subject in enumerate(SUBJECTS):
        words = {name: values[k % len(values)] for name, values in ATTRIBUTES.items()}
        words["style"] = ATTRIBUTES["style"][(k + k // 5) % 4]
        kinds = (KINDS[k % len(KINDS)], KINDS[(k + 5) % len(KINDS)], KINDS[(k + 7) % len(KINDS)])
        things = tuple(thing(kind, k + j) for j, kind in enumerate(kinds))
        scenes.append(Scene(**{**words, "subject": subject}, things=things))
    return scenes


def thing(kind: str, k: int) -> Thing:
    count = 1 if kind in SINGLE | UNCOUNTED else k % 4 + 1
    return Thing(kind, count, None if kind in UNCOLOURED else COLOURS[k % len(COLOURS)], SIDES[k % 3])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("scene", covering(), ids=lambda scene: scene.subject)
def test_every_word_is_drawn_at_every_size_and_always_alike(scene: Scene):
    for k, (height, width) in enumerate(SIZES):
        picture = render(scene, k, height, width)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 8
    assert np.array_equal(picture, render(scene, k, height, width))


def test_any_scene_of_any_shape_can_be_drawn():
    rng = np.random.default_rng(1)
    for seed in range(60):
        height, width = ((64, 64), (64, 112), (112, 64))[seed % 3]
        assert render(draw(rng), seed, height, width).std() > 2


def test_seeds_of_one_scene_are_different_pictures():
    for subject in ("mountains", "hills", "dunes", "islands", "sea", "city", "forest"):
        pictures = [render(Scene(**{**NOON, "subject": subject}), seed, 96, 96) for seed in range(5)]
        likeness = [structural_similarity(a, b, channel_axis=-1) for a, b in itertools.combinations(pictures, 2)]
        assert np.mean(likeness) < 0.45, subject


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_changes_the_picture_and_its_seed_does_not_matter_less(name: str):
    pictures = [render(Scene(**{**NOON, name: value}), 3, 96, 96) for value in ATTRIBUTES[name]]
    for one, other in itertools.combinations(pictures, 2):
        assert distance(one, other) > 4


@pytest.mark.parametrize("style", ["watercolour", "oil", "pastel"])
def test_a_painters_hand_adds_no_grain_of_single_pixels(style: str):
    """What is left of a painted flat sky after blurring it by a pixel is small: noise cannot be learnt."""
    flat = np.full((96, 96, 3), 0.5, np.float32)
    painted = styled(flat, style, np.random.default_rng(0))[24:72, 24:72]
    fine = painted - ndimage.gaussian_filter(painted, (1, 1, 0))
    assert painted.std() > 0.003
    assert fine.std() < 0.025


def test_a_thing_is_drawn_in_its_colour_on_its_side():
    for side, colour in zip(SIDES, ("red", "blue", "purple"), strict=True):
        without = render(Scene(**NOON), 5, 96, 144).astype(float)
        with_it = render(Scene(**NOON, things=(Thing("balloon", 2, colour, side),)), 5, 96, 144)
        change = np.abs(with_it - without).sum(-1) > 60
        third = SIDES.index(side) * 48
        assert change[:, third : third + 48].sum() > 0.9 * change.sum() > 90
        red, _, blue = with_it[change].mean(0)
        assert (red > blue) == (colour == "red")
