"""Water that mirrors what stands behind it, waves and glitters under the sun; ice in winter, foam in a storm."""

import numpy as np
from scipy import ndimage

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, step
from tools.world.sky import sun_at

DEEPS = tuple(map(hexed, ("0c3a4a", "0f4a5e", "14506a", "123a50", "1a5a5c", "0e3350", "2a6a6c")))
_FOAM = hexed("f2f6fa")
_ICE = hexed("cfe0ec")


def paint_water(
    canvas: Canvas,
    air: Air,
    where: np.ndarray,
    deep: np.ndarray,
    rng: np.random.Generator,
    eye: float = 8.0,
    rough: float = 0.4,
    freezes: bool = True,
) -> None:
    """Turn the pixels `where` [H, W] into water of colour `deep` [3].

    The picture above each run of water is mirrored in it; `eye` is the viewer's height, `rough` in 0..1 the swell.
    """
    view = canvas.view
    if not where.any():
        return
    canvas.water[where] = True
    canvas.ground[where] = False
    top = int(np.argmax(where.any(1)))
    mask, rows = where[top:], view.rows[top:]
    rough = {"storm": 1.0, "rain": max(rough, 0.5)}.get(air.weather, rough)
    distance = np.clip(view.ground(eye)[top:], 1.0, 900.0)
    x = (view.columns - view.width / 2) / view.focal * distance
    swell = grain(rng, 1.0, x * 9, distance * 22)
    near = np.clip((rows - view.horizon) / view.size, 0, 1)
    long = grain(rng, 1.4, x * 2.2, distance * 7)
    wave = np.clip((0.6 * swell + 0.6 * long), -2.5, 2.5)
    start = _first_rows(mask) + top
    depth = rows - 0.5 - start
    sway = wave * (0.4 + 5.0 * rough) * (0.15 + 2.2 * near) * view.size / 192
    mirror = np.clip(start - 1 - depth * 0.95 + sway, 0, view.height - 1).astype(np.int32)
    aside = np.clip(view.columns - 0.5 + 0.8 * sway, 0, view.width - 1).astype(np.int32)
    reflected = canvas.pixels[mirror, aside]
    light = air.light
    body = deep * (light.ambient * 1.5 + light.key * 0.55)
    glance = np.clip(0.95 - (0.9 + 0.6 * rough) * near**0.7 + 0.10 * wave * (0.4 + rough), 0.14, 0.94)[..., None]
    colour = mix(body * (1 + 0.16 * wave[..., None] * (0.3 + rough)), reflected, glance)
    colour = mix(colour, light.haze, 1 - np.exp(-0.5 * air.density * distance)[..., None])
    column, _ = sun_at(canvas, air)
    if air.weather in ("clear", "fog", "snow") and air.time != "dusk" and air.disc:
        wide = view.size * (0.02 + 0.20 * near)
        spark = np.exp(-np.abs(view.columns - column) / wide) * step(0.25, 1.5, wave)
        colour += (
            (spark * {"clear": 0.9}.get(air.weather, 0.3))[..., None] * air.glow * (0.5 if air.time == "night" else 1)
        )
    if rough > 0.55:
        crest = step(1.15, 1.9, wave) * step(0.0, 0.06, near)
        colour = mix(colour, _FOAM * (light.ambient + 0.6 * light.key), (crest * 0.8 * (rough - 0.2))[..., None])
    if light.season == "winter" and freezes:
        floes = step(-0.1, 0.4, grain(rng, 1.3, x * 4, distance * 4) + 0.12 * swell)
        floes = mix(0.6, floes, step(0.01, 0.1, near))  # far floes are too small to be told apart
        crack = 1 - 0.35 * step(1.2, 2.0, np.abs(swell))
        ice = _ICE * crack[..., None] * (light.ambient + 0.7 * light.key)
        colour = mix(colour, mix(ice, reflected, 0.22), (0.85 * floes)[..., None])
    box = canvas.pixels[top:]
    box[mask] = colour[mask]


def _first_rows(mask: np.ndarray) -> np.ndarray:
    """For every pixel [h, w], the row its run of water starts at, smooth along the shore, at or above the pixel."""
    begins = mask.copy()
    begins[1:] &= ~mask[:-1]
    rows = np.arange(mask.shape[0])[:, None]
    start = np.maximum.accumulate(np.where(begins, rows, 0), axis=0).astype(np.float32)
    return np.asarray(np.minimum(ndimage.uniform_filter1d(start, 7, axis=1, mode="nearest"), rows), np.float32)
