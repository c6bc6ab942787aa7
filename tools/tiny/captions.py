"""What people might type for a scene: many wordings, orders and synonyms, with a held-out set of wordings and scenes.

A wording is a template over four phrases: the subject as a noun, and the time, the weather and the foreground each as
an adjective ("snowy"), a clause ("in the snow") or a list item ("snow"). Training and held-out captions use different
templates, so they never share a wording, though every word of a held-out caption occurs in training.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tools.tiny.scenes import ALL_SCENES, FOREGROUNDS, SUBJECTS, TIMES, WEATHERS, Scene
from trajflow.errors import RequestError

MAX_WORDS = 18

SUBJECT_NOUNS = {
    "mountains": (
        "mountain", "mountains", "mountain range", "mountain landscape", "mountain scenery", "alps", "alpine landscape",
        "mountain peaks", "peaks", "high mountains",
    ),
    "forest": (
        "forest", "woods", "pine trees", "pine forest", "forest landscape", "woodland", "fir trees", "forest scene",
    ),
    "desert": (
        "desert", "dunes", "sand dunes", "desert landscape", "sahara", "desert with cactus", "sandy desert",
    ),
    "sea": ("sea", "ocean", "coast", "seascape", "beach", "seaside", "sea view", "ocean landscape", "shore"),
    "city": (
        "city", "skyline", "city skyline", "downtown", "skyscrapers", "cityscape", "big city", "city buildings", "town",
    ),
}  # fmt: skip

PLURALS = frozenset(
    ("mountains", "alps", "mountain peaks", "peaks", "high mountains", "woods", "pine trees", "fir trees", "dunes",
     "sand dunes", "skyscrapers", "city buildings")
)  # fmt: skip
MASS_NOUNS = frozenset(("mountain scenery", "woodland", "downtown"))

TIME_ADJECTIVES = {
    "dawn": ("dawn", "sunrise", "early morning", "morning"),
    "noon": ("daytime", "midday", "bright", "sunny"),
    "sunset": ("sunset", "dusk", "evening", "golden hour", "twilight"),
    "night": ("night", "moonlit", "starry", "midnight", "dark"),
}
TIME_CLAUSES = {
    "dawn": ("at dawn", "at sunrise", "at daybreak", "in the early morning", "in the morning", "during sunrise"),
    "noon": ("at noon", "at midday", "during the day", "in daylight", "on a bright day", "in the daytime"),
    "sunset": ("at sunset", "at dusk", "in the evening", "at golden hour", "at twilight", "during sunset"),
    "night": ("at night", "in the moonlight", "at midnight", "under the moon", "on a starry night", "by night"),
}
TIME_ITEMS = {
    "dawn": ("dawn", "sunrise", "daybreak", "early morning", "morning"),
    "noon": ("noon", "midday", "daytime", "bright day", "daylight", "sunny"),
    "sunset": ("sunset", "dusk", "evening", "golden hour", "twilight", "setting sun"),
    "night": ("night", "moonlight", "midnight", "starry night", "moon", "nighttime"),
}

WEATHER_ADJECTIVES = {
    "clear": ("clear",),
    "snow": ("snowy", "winter", "snow covered", "wintry"),
    "fog": ("foggy", "misty", "hazy"),
}
WEATHER_CLAUSES = {
    "clear": ("under a clear sky", "in clear weather", "with a clear sky"),
    "snow": ("in the snow", "in winter", "with snow", "in a snowfall", "while it is snowing", "in a blizzard"),
    "fog": ("in the fog", "in the mist", "with fog", "in the haze", "covered in mist", "in thick fog"),
}
WEATHER_ITEMS = {
    "clear": ("clear sky", "clear weather", "clear"),
    "snow": ("snow", "winter", "snowfall", "snowy", "snowing", "blizzard"),
    "fog": ("fog", "mist", "haze", "foggy", "misty"),
}
BLUE_SKY_CLAUSES = ("under a blue sky", "with a blue sky")

FOREGROUND_NOUNS = {
    "cabin": ("a cabin", "a hut", "a wooden house", "a cottage", "a small cabin", "a log cabin", "a house"),
    "boat": (
        "a boat",
        "a sailboat",
        "a sailing boat",
        "a lake with a boat",
        "a small lake with a boat",
        "a boat on a lake",
        "a small boat",
    ),
    "flowers": ("flowers", "wildflowers", "a flowery meadow", "blossoms", "a meadow of flowers", "colorful flowers"),
}

OPENINGS = (
    "a painting of", "a photo of", "photo of", "view of", "a view of", "a picture of", "an image of", "painting of",
)  # fmt: skip
PRAISE = ("beautiful", "stunning", "peaceful", "lovely", "scenic", "gorgeous", "calm", "pretty")
FILLERS = (
    "dreamy", "wallpaper", "trending", "my favourite", "landscape", "highly detailed", "4k", "art", "nice colors",
    "best quality", "cinematic", "digital art", "illustration", "wide shot", "nature", "minimal", "postcard",
)  # fmt: skip


@dataclass(frozen=True)
class Wording:
    """A template and which attributes it names."""

    template: str
    time: bool = False
    weather: bool = False
    foreground: bool = False


def _wordings(*templates: str) -> tuple[Wording, ...]:
    return tuple(
        Wording(
            template=template,
            time=any(mark in template for mark in ("{ta}", "{tc}", "{ti}")),
            weather=any(mark in template for mark in ("{wa}", "{wc}", "{wi}")),
            foreground="{f}" in template,
        )
        for template in templates
    )


# {o} opening, {p} praise, {a} article, {s} subject, {f} foreground; {t?} time and {w?} weather, where ? is a for an
# adjective, c for a clause, i for an item.
TEMPLATES = {
    "train": _wordings(
        "{a} {s}", "{s}", "{o} {a} {s}", "{a} {p} {s}", "{s} that {is} {p}", "{p} {s}", "{o} {a} {p} {s}",
        "{a} {s} {tc}", "{s} {tc}", "{o} {a} {s} {tc}", "{a} {p} {s} {tc}", "{ta} {s}", "{s}, {ti}", "{ti}, {s}",
        "{a} {ta} {s}", "{s} {ti}", "{p} {ta} {s}", "{ti} over {the} {s}",
        "{wa} {s}", "{a} {wa} {s}", "{s} {wc}", "{a} {s} {wc}", "{s}, {wi}", "{wi}, {s}", "{o} {a} {wa} {s}",
        "{s} with {f}", "{a} {s} with {f}", "{f} and {a} {s}", "{s}, {f}", "{s} with {f} in the foreground",
        "{f} in front of {a} {s}", "{f}, {s}",
        "{a} {wa} {s} {tc}", "{wa} {s} {tc}", "{wa} {s}, {ti}", "{s}, {ti}, {wi}", "{s}, {wi}, {ti}", "{ta} {s} {wc}",
        "{ti}, {wi}, {s}", "{o} {a} {wa} {s} {tc}", "{s} {tc} {wc}", "{s} {wc} {tc}", "{a} {p} {wa} {s} {tc}",
        "{a} {s} {tc} with {f}", "{s} with {f} {tc}", "{o} {a} {s} with {f} {tc}", "{s}, {ti}, {f}", "{f}, {s}, {ti}",
        "{f} in front of {a} {s} {tc}", "{tc}, {a} {s} with {f}", "{ta} {s} with {f}", "{ti}, {f}, {s}",
        "{wa} {s} with {f}", "{a} {wa} {s} with {f}", "{s} {wc} with {f}", "{s}, {wi}, {f}", "{f}, {wi}, {s}",
        "{a} {wa} {s} {tc} with {f}", "{wa} {s} with {f} {tc}", "{s}, {ti}, {wi}, {f}", "{f}, {s}, {wi}, {ti}",
        "{o} {a} {wa} {s} {tc} with {f}", "{ta} {s} {wc}, with {f} in the foreground", "{wi}, {ti}, {f}, {s}",
        "{f} near {a} {s} {tc} {wc}", "{s} {tc}, {wi}, {f}", "{a} {p} {wa} {s} with {f} {tc}", "{ti}, {s}, {f}, {wi}",
        "{f} {wc} in front of {a} {s} {tc}", "{s}, {f}, {ti}, {wi}", "{tc}, {f} and {a} {wa} {s}",
    ),
    "heldout": _wordings(
        "{p}, {s}", "{o} {the} {p} {s}", "{s}, {p}",
        "{tc}, {the} {s}", "{the} {s} {tc}", "{o} {the} {s} {tc}", "{ti} and {a} {s}",
        "{the} {wa} {s}", "{wc}, {a} {s}", "{o} {the} {s} {wc}",
        "{f} near {the} {s}", "{a} {s} and {f}", "{o} {f} and {a} {s}",
        "{tc}, {a} {wa} {s}", "{the} {s} {wc}, {ti}", "{wi}, {s}, {ti}", "{o} {the} {wa} {s} {tc}",
        "{wc}, {a} {ta} {s}",
        "{the} {s} {tc}, {f}", "{f} near {the} {s} {tc}", "{ti}, {s}, {f}", "{o} {f} near {a} {s} {tc}",
        "{f} near {a} {wa} {s}", "{wi}, {s}, {f}", "{the} {s} {wc} and {f}",
        "{f} near {the} {wa} {s} {tc}", "{wi}, {s}, {f}, {ti}", "{f}, {ti}, {wi}, {s}", "{o} {f} {tc}, {a} {wa} {s}",
        "{tc}, {the} {wa} {s} and {f}", "{wc}, {a} {ta} {s} with {f}", "{the} {s}, {f}, {wi}, {ti}",
    ),
}  # fmt: skip


@cache
def wordings(split: str, time: bool, weather: bool, foreground: bool) -> tuple[Wording, ...]:
    """The templates of `split` that name exactly these attributes."""
    wanted = (time, weather, foreground)
    return tuple(w for w in TEMPLATES[split] if (w.time, w.weather, w.foreground) == wanted)


def caption(scene: Scene, rng: np.random.Generator, split: str = "train") -> str:
    """A wording of `scene`; `split` is "train" or "heldout", and any other raises RequestError.

    The subject, and any attribute away from its default (noon, clear, none), is always named. Noon is named in 60 % of
    captions, a clear sky in 20 %.
    """
    if split not in TEMPLATES:
        raise RequestError(f"split is {split!r}; choose one of {', '.join(TEMPLATES)}")
    has_time = scene.time != "noon" or rng.random() < 0.6
    has_weather = scene.weather != "clear" or rng.random() < 0.2
    candidates = wordings(split, has_time, has_weather, scene.foreground != "none")
    text = _fill(_choose(rng, candidates).template, scene, rng)
    while len(text.split()) > MAX_WORDS:
        text = _fill(_choose(rng, candidates).template, scene, rng)
    if rng.random() < 0.15 and len(text.split()) <= MAX_WORDS - 3:
        filler = _choose(rng, FILLERS)
        text = f"{text}, {filler}" if rng.random() < 0.6 else f"{filler}, {text}"
    if rng.random() < 0.15:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.10 else text


def _choose(rng: np.random.Generator, options):
    return options[rng.integers(len(options))]


def _fill(template: str, scene: Scene, rng: np.random.Generator) -> str:
    noun = _choose(rng, SUBJECT_NOUNS[scene.subject])
    weather_clauses = WEATHER_CLAUSES[scene.weather]
    if scene.weather == "clear" and scene.time == "noon":
        weather_clauses += BLUE_SKY_CLAUSES
    phrases = {
        "s": noun,
        "o": _choose(rng, OPENINGS),
        "p": _choose(rng, PRAISE),
        "is": "are" if noun in PLURALS else "is",
        "the": "the",
        "ta": _choose(rng, TIME_ADJECTIVES[scene.time]),
        "tc": _choose(rng, TIME_CLAUSES[scene.time]),
        "ti": _choose(rng, TIME_ITEMS[scene.time]),
        "wa": _choose(rng, WEATHER_ADJECTIVES[scene.weather]),
        "wc": _choose(rng, weather_clauses),
        "wi": _choose(rng, WEATHER_ITEMS[scene.weather]),
        "f": _choose(rng, FOREGROUND_NOUNS[scene.foreground]) if "{f}" in template else "",
        "a": "{a}",
    }
    words = template.format(**phrases)
    before, mark, after = words.partition("{a} ")
    if not mark:
        return words
    if noun in PLURALS or noun in MASS_NOUNS:
        return before + after
    article = "an" if after[0] in "aeiou" else "a"
    return f"{before}{article} {after}"


# 24 cells of the 5 x 4 x 3 x 4 table (subject, time, weather, foreground) that use each weather 8 times, each time and
# each foreground 6 times, and each subject 4 or 5 times.
HELDOUT_CELLS = frozenset((k % 5, k % 4, (k + k // 12) % 3, (k // 4 + 2 * k) % 4) for k in range(24))


def is_heldout(scene: Scene) -> bool:
    """Whether training never sees this combination: a fixed tenth, spread evenly over the values of every attribute."""
    cell = (
        SUBJECTS.index(scene.subject),
        TIMES.index(scene.time),
        WEATHERS.index(scene.weather),
        FOREGROUNDS.index(scene.foreground),
    )
    return cell in HELDOUT_CELLS


TRAIN_SCENES = tuple(scene for scene in ALL_SCENES if not is_heldout(scene))
HELDOUT_SCENES = tuple(scene for scene in ALL_SCENES if is_heldout(scene))
