"""The air of one picture: what the sky looks like, what far things fade into, how dense it is, and the light below.

Every time of day has several palettes, of which the seed draws one and shifts it; the weather veils it. What tells the
times apart is kept: dawn is pale and rosy, noon blue and bright, sunset deep and orange, dusk blue and dim, night dark.
"""

from dataclasses import dataclass

import numpy as np

from tools.world.colour import brightness, hexed
from tools.world.light import Light
from tools.world.noise import mix
from tools.world.scene import Scene

# zenith, middle, horizon, glow about the sun, key light, light from the sky, clouds' shadow, clouds' light
_PALETTES = {
    "dawn": (
        "8fa9d8 e3b9c9 ffd9b8 ffe9c4 ffcfa6 9d9fc4 9c93b4 ffe1d2",
        "7fb0cf c9d3d6 ffe0b0 fff2c8 ffd9a8 97aac0 93a2b6 fff0dc",
        "a79fd6 eab0c8 ffc9bd ffe0cf ffc4b8 a79bc4 a18cb6 ffd8d8",
        "94b8e2 f0c8c0 fff0cf fff6dd ffdcb4 a2a8c6 a99fb8 fff0e0",
    ),
    "noon": (
        "3a7ad0 78b0ea c8e2f4 fffbe8 fff4de a9c0de a8b4c6 ffffff",
        "2c86dc 62b6f0 bfe8f6 fffdf0 fff8ea a4c4e2 9fb4cc ffffff",
        "4a8cc4 8cbfdc dbe9ea fffdf4 fff6e4 b4c6d4 b0bac4 fffefa",
        "2f6abc 6aa2e0 b4d4f0 fffbe8 fff2d8 a0b8dc 9aa9c4 ffffff",
    ),
    "sunset": (
        "3d3a78 c2556a ff9a3c ffd07a ff9a4e 8a6a8c 5c4468 ff9a58",
        "4a3f8e e0664e ffb23e ffdf84 ffa850 93708a 6a4660 ffa25e",
        "5d3a70 d0425a ff7a3a ffb45e ff864a 8c6084 5a3858 ff7c52",
        "35548a d98a5a ffb84a ffe08c ffae58 8c7a8a 66566c ffb870",
    ),
    "dusk": (
        "16224e 35508c 8a7aa6 c08a96 52649c 4c5f92 28345e 6a76a6",
        "152a4c 2f5f8e 7f98ae d0a488 506c98 4a668e 263e60 6c86a4",
        "231f52 4c4a8e a0709c d67f86 5c5c98 56588e 302e5c 7c6ca0",
        "10304a 26607e 6a98a0 c8a070 4a7090 446a86 1e3c54 5f8896",
    ),
    "night": (
        "050916 0c1830 1c2e4c cfd8ee 4a5c86 26345a 0a1020 2c3a56",
        "04060f 0a1026 161f42 d8dcf2 4c5480 282e58 0a0d1e 2a3050",
        "030c14 081e2e 12384a cfe2ea 44667e 20404e 06141c 22404c",
        "0a0618 180f34 2c2350 dcd4f0 544e84 322c5a 120c22 342c54",
    ),
}
_NAMES = ("zenith", "middle", "horizon", "glow", "key", "ambient", "shadow", "cloud")
# The least of a thing that the densest air lets through; without it, fog would leave empty pictures.
FAINTEST = 0.26
# Linear strengths of the sun and of the sky.
_KEY = {"dawn": 0.95, "noon": 1.35, "sunset": 1.15, "dusk": 0.6, "night": 2.2}
_AMBIENT = {"dawn": 0.85, "noon": 0.85, "sunset": 0.85, "dusk": 1.45, "night": 2.4}
# weather: how much of the sky turns to its own grey, how bright that is, how much of the key is left, haze per unit
_VEIL = {
    "clear": (0.0, 1.0, 1.0, 0.0022),
    "rain": (0.72, 0.62, 0.3, 0.0065),
    "snow": (0.62, 0.95, 0.4, 0.0070),
    "fog": (0.80, 0.95, 0.35, 0.0095),
    "storm": (0.85, 0.24, 0.4, 0.0045),
}
_SNOW = {"clear": 0.0, "rain": 0.0, "snow": 0.55, "fog": 0.0, "storm": 0.0}


@dataclass(frozen=True)
class Air:
    """Colours are linear RGB [3] float32. `density` is haze per unit of distance, `near` where it starts.

    sun_x, sun_y say where the sun or moon stands in the picture, in picture widths and heights above the horizon (in
    units of the picture's size); `disc` in 0..1 how clearly it is seen.
    """

    zenith: np.ndarray
    middle: np.ndarray
    horizon: np.ndarray
    glow: np.ndarray
    shadow: np.ndarray
    cloud: np.ndarray
    density: float
    near: float
    sun_x: float
    sun_y: float
    disc: float
    time: str
    weather: str
    light: Light

    def veil(self, colour: np.ndarray, distance: np.ndarray | float) -> np.ndarray:
        """`colour` [..., 3] seen through `distance` [...] units of this air; a trace of it is always seen."""
        clear = np.exp(-self.density * np.maximum(np.asarray(distance, np.float32) - self.near, 0))
        clear = FAINTEST + (1 - FAINTEST) * clear
        return np.asarray(self.light.haze + (colour - self.light.haze) * clear[..., None], np.float32)


def breathe(scene: Scene, rng: np.random.Generator) -> Air:
    """The air of `scene`; what the scene leaves open comes from `rng`, drawn alike for every scene."""
    choice, blend, tint, exposure = rng.integers(4), rng.random(), rng.normal(0, 0.075, 3), rng.normal(0, 0.2)
    x, high, thick, aside, hidden = (
        rng.uniform(0.06, 0.94),
        rng.random(),
        rng.normal(0, 0.35),
        rng.random(),
        rng.random(),
    )
    first, second = (_palette(scene.time, int(choice + k) % 4) for k in (0, 1))
    gain = np.exp(tint + exposure * (0.6 if scene.time in ("dusk", "night") else 1.0)).astype(np.float32)
    colours = {name: mix(first[name], second[name], 0.5 * blend) * gain for name in _NAMES}
    grey, bright, key_left, density = _VEIL[scene.weather]
    if scene.time in ("dusk", "night"):
        bright = max(bright, 0.55 if scene.weather == "storm" else 0.75 if scene.time == "dusk" else 0.95)
    mean = 0.35 * colours["zenith"] + 0.35 * colours["middle"] + 0.3 * colours["horizon"]
    dull = mix(mean, np.full(3, brightness(mean)), 0.6) * bright
    for name, share in (("zenith", 1.0), ("middle", 1.0), ("horizon", 0.85), ("cloud", 1.1), ("shadow", 0.8)):
        colours[name] = mix(colours[name], dull * (1.25 if name in ("cloud", "horizon") else 0.8), grey * share)
    if scene.weather == "fog" and scene.time in ("dusk", "night"):
        for name, lift in (("horizon", 2.6), ("middle", 2.2), ("zenith", 1.7), ("cloud", 1.8)):
            colours[name] = (lift if scene.time == "night" else 1.0 + 0.1 * lift) * colours[name]
    dim = 0.45 + 0.55 * bright
    key = colours["key"] * _KEY[scene.time] * key_left
    ambient = colours["ambient"] * _AMBIENT[scene.time] * dim * (1.0 + 0.35 * grey)
    if scene.time == "night" and scene.weather != "clear":
        ambient = 1.5 * ambient
    # An eye that has grown used to the dark sees its snow less blue than it is.
    dark = {"dusk": 0.42, "night": 0.3}.get(scene.time, 0.0)
    ambient = mix(ambient, np.full(3, brightness(ambient)), dark)
    winter = scene.season == "winter"
    light = Light(
        sun=_direction(scene.time, x, high, aside),
        key=np.asarray(key, np.float32),
        ambient=np.asarray(ambient, np.float32),
        haze=np.asarray(mix(colours["horizon"], colours["middle"], 0.35), np.float32),
        season=scene.season,
        snow=0.92 if winter else _SNOW[scene.weather],
        wetness={"rain": 1.0, "storm": 0.7, "fog": 0.3}.get(scene.weather, 0.0),
        lamps=scene.time in ("dusk", "night") or (scene.time == "dawn" and hidden < 0.3) or scene.time == "sunset",
    )
    heights = {"dawn": (0.015, 0.11), "noon": (0.3, 0.62), "sunset": (0.0, 0.12), "dusk": (-0.1, -0.02)}
    low, top = heights.get(scene.time, (0.2, 0.5))
    seen = {"clear": 1.0, "rain": 0.0, "snow": 0.25, "fog": 0.5, "storm": 0.0}[scene.weather]
    return Air(
        **{name: colours[name] for name in ("zenith", "middle", "horizon", "glow", "shadow", "cloud")},
        density=density * float(np.exp(thick)),
        near=8.0,
        sun_x=x,
        sun_y=low + (top - low) * high,
        disc=seen if hidden > 0.22 and scene.time != "dusk" else 0.0,
        time=scene.time,
        weather=scene.weather,
        light=light,
    )


def _palette(time: str, index: int) -> dict[str, np.ndarray]:
    return dict(zip(_NAMES, map(hexed, _PALETTES[time][index].split()), strict=True))


def _direction(time: str, x: float, high: float, aside: float) -> np.ndarray:
    """Towards the sun: on its side of the picture, sometimes behind what is seen and sometimes behind the viewer."""
    low, top = {"dawn": (0.3, 0.5), "noon": (0.8, 1.5), "sunset": (0.26, 0.45)}.get(time, (0.5, 0.9))
    across = (x - 0.5) * 2.0
    across += 0.45 if across >= 0 else -0.45
    sun = np.array((across, low + (top - low) * high, -0.35 + 0.95 * aside), np.float32)
    return np.asarray(sun / np.linalg.norm(sun))
