"""A contact sheet of the world: `python -m tools.world.sheet --out FILE`."""

import argparse

import numpy as np
from PIL import Image, ImageDraw

from tools.world.render import render
from tools.world.scene import ATTRIBUTES, Scene, Told, draw

_CAPTION = 26


def main() -> None:
    """Draw random scenes, with some attributes fixed by options, and save them in rows with their words below."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="the picture file to write")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--across", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, default=(192, 192), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", choices=tuple(ATTRIBUTES), help="go through the values of this attribute in turn")
    for name, values in ATTRIBUTES.items():
        parser.add_argument(f"--{name}", choices=values)
    given = parser.parse_args()
    scenes = []
    for k in range(given.count):
        words = {name: getattr(given, name) for name in ATTRIBUTES}
        if given.each:
            words[given.each] = ATTRIBUTES[given.each][k % len(ATTRIBUTES[given.each])]
        scenes.append(draw(np.random.default_rng([given.seed, k]), Told(**words)))
    sheet(scenes, given.seed, tuple(given.size), given.across).save(given.out)


def sheet(scenes: list[Scene], seed: int, size: tuple[int, int], across: int) -> Image.Image:
    """The scenes, `across` in a row, each (height, width) = `size`, seeds counting up from `seed`."""
    height, width = size
    rows = -(-len(scenes) // across)
    page = Image.new("RGB", (across * (width + 4), rows * (height + _CAPTION)), "white")
    pen = ImageDraw.Draw(page)
    for k, scene in enumerate(scenes):
        left, top = k % across * (width + 4), k // across * (height + _CAPTION)
        page.paste(Image.fromarray(render(scene, seed + k, height, width)), (left, top))
        pen.text((left + 2, top + height), words(scene), "black", font_size=9)
    return page


def words(scene: Scene) -> str:
    """The scene in two short lines."""
    things = "; ".join(
        " ".join(filter(None, (str(thing.count), thing.colour, thing.kind, thing.side[0].upper())))
        for thing in scene.things
    )
    return f"{scene.subject} {scene.time} {scene.weather} {scene.season} {scene.style}\n{things}"


if __name__ == "__main__":
    main()
