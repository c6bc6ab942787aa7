from dataclasses import replace

import numpy as np
import pytest
from skimage.color import rgb2lab

from tools.world.buildings import castle, lighthouse, skyline
from tools.world.light import Light
from tools.world.paint import PAINTS
from tools.world.scene import COLOURS, KINDS, UNCOLOURED
from tools.world.things import sprite


def _light(sun, key, ambient, haze, season="summer", snow=0.0, lamps=False) -> Light:
    vectors = [np.array(vector, np.float32) for vector in (sun, key, ambient, haze)]
    vectors[0] /= np.linalg.norm(vectors[0])
    return Light(*vectors, season=season, snow=snow, wetness=0.0, lamps=lamps)


LIGHTS = {
    "noon": _light((0.4, 0.8, 0.4), (0.95, 0.9, 0.8), (0.3, 0.36, 0.45), (0.55, 0.68, 0.85)),
    "sunset": _light((-0.7, 0.2, -0.3), (0.9, 0.45, 0.18), (0.28, 0.2, 0.26), (0.9, 0.42, 0.2), "autumn"),
    "low sun": _light((0.8, 0.2, 0.5), (1.0, 0.5, 0.2), (0.2, 0.15, 0.2), (0.9, 0.42, 0.2)),
    "snow": _light((-0.5, 0.5, 0.5), (0.6, 0.6, 0.7), (0.35, 0.38, 0.45), (0.7, 0.75, 0.8), "winter", 1.0),
    "night": _light((0.3, 0.6, 0.2), (0.06, 0.07, 0.11), (0.03, 0.04, 0.075), (0.02, 0.03, 0.07), lamps=True),
}
NOON = LIGHTS["noon"]
COLOURED = [kind for kind in KINDS if kind not in UNCOLOURED]


def _draw(kind: str, light: Light = NOON, colour: str = "red", height: int = 24, seed: int = 1) -> np.ndarray:
    return sprite(kind, None if kind in UNCOLOURED else colour, light, height, np.random.default_rng(seed))


def _building(name: str, light: Light = NOON, height: int = 80, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if name == "castle":
        return castle(light, height, rng)
    return lighthouse(light, height, rng)[0] if name == "lighthouse" else skyline(light, height, 150, rng)


def _colour_of(linear: np.ndarray) -> str:
    """The name a viewer gives a linear colour: grey ones by lightness, others by the nearest hue."""
    lightness, a, b = _lab(linear)
    if np.hypot(a, b) < 20:
        return "white" if lightness > 45 else "black"
    angles = {name: np.arctan2(*_lab(paint)[:0:-1]) for name, paint in PAINTS.items() if name not in ("white", "black")}
    return min(angles, key=lambda name: 1 - np.cos(angles[name] - np.arctan2(b, a)))


def _lab(linear: np.ndarray) -> np.ndarray:
    value = np.clip(linear, 0, 1)
    return rgb2lab(np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)[None, None])[0, 0]


@pytest.mark.parametrize("name", [*KINDS, "castle", "lighthouse", "skyline"])
@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
def test_sprite_is_premultiplied_and_stands_on_its_lower_edge(name, light):
    for height in (16, 45, 130):
        drawn = _draw(name, light, "blue", height) if name in KINDS else _building(name, light, height)
        assert drawn.dtype == np.float32
        assert drawn.shape[0] == height
        assert drawn.shape[2] == 4
        assert np.isfinite(drawn).all()
        colour, alpha = drawn[..., :3], drawn[..., 3]
        assert alpha.min() >= 0
        assert alpha.max() <= 1 + 1e-5
        assert colour.min() >= 0
        if not light.lamps:
            assert not colour[alpha == 0].any()
        rows = np.flatnonzero(alpha.max(axis=1) > 0.2)
        assert name == "bird" or rows[-1] == height - 1
        assert rows[0] <= 0.3 * height


@pytest.mark.parametrize("name", [*KINDS, "castle", "lighthouse", "skyline"])
def test_same_seed_draws_the_same_and_another_differs(name):
    draw = _draw if name in KINDS else _building
    one, again = draw(name, seed=3), draw(name, seed=3)
    np.testing.assert_array_equal(one, again)
    other = draw(name, seed=4)
    assert one.shape != other.shape or np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("kind", COLOURED)
@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
def test_named_colour_reads_as_its_name_in_every_light(kind, light):
    painted = np.abs(_draw(kind, light, "green") - _draw(kind, light, "purple"))[..., :3].sum(axis=2) > 0.08
    assert painted.mean() > 0.04, "the colour covers too little"
    for colour in COLOURS:
        drawn = _draw(kind, light, colour)[painted]
        assert _colour_of(drawn[:, :3].sum(axis=0) / drawn[:, 3].sum()) == colour


@pytest.mark.parametrize("name", ["cabin", "bridge", "rock", "tree", "castle", "skyline"])
def test_snow_whitens_the_upper_half(name):
    draw = _draw if name in KINDS else _building
    bare, white = draw(name, replace(NOON, season="winter")), draw(name, replace(NOON, season="winter", snow=1.0))
    upper = slice(0, bare.shape[0] // 2)
    assert white[upper, :, 2].sum() > 1.05 * bare[upper, :, 2].sum()


@pytest.mark.parametrize("name", ["cabin", "tent", "boat", "bridge", "castle", "lighthouse", "skyline"])
def test_lamps_shine_at_night(name):
    draw = _draw if name in KINDS else _building
    night = LIGHTS["night"]
    lit, dark = draw(name, night), draw(name, replace(night, lamps=False))
    assert lit[..., 0].max() > 0.5
    assert lit[..., 0].sum() > dark[..., 0].sum()


def test_trees_show_the_season():
    def crowns(season: str) -> np.ndarray:
        light = replace(NOON, season=season)
        return np.array([_draw("tree", light, height=60, seed=seed)[:30].sum(axis=(0, 1)) for seed in range(8)])

    spring, summer, autumn, winter = (crowns(season) for season in ("spring", "summer", "autumn", "winter"))
    broad = winter[:, 3] < 0.6 * summer[:, 3]
    assert 3 <= broad.sum() <= 7, "firs keep their needles, other trees are bare in winter"
    assert (summer[broad, 1] > 1.2 * summer[broad, 0]).all()
    assert (autumn[broad, 0] > 1.5 * autumn[broad, 1]).all()
    assert (spring[broad, 2] > 2 * summer[broad, 2]).all()


def test_sun_lights_the_side_it_stands_on():
    for x in (-0.8, 0.8):
        light = _light((x, 0.2, 0.3), (1.0, 1.0, 1.0), (0.1, 0.1, 0.1), (0.5, 0.5, 0.5))
        for seed in range(4):
            drawn = _draw("balloon", light, "white", 60, seed)[:30, :, 0]
            half = drawn.shape[1] // 2
            assert (drawn[:, half:].sum() > drawn[:, :half].sum()) == (x > 0)


def test_lamp_of_the_lighthouse_is_the_brightest_place():
    drawn, (x, y) = lighthouse(LIGHTS["night"], 120, np.random.default_rng(2))
    assert drawn[round(y) - 3 : round(y) + 3, round(x) - 4 : round(x) + 4, 0].max() == pytest.approx(
        drawn[..., 0].max()
    )


def test_far_bird_is_dark_by_day_and_white_by_night():
    assert _draw("bird", NOON)[..., 0].max() < 0.1
    assert _draw("bird", LIGHTS["night"])[..., 0].max() > 0.5
