"""Prompts that a user may well ask for next: the same picture at another time of day, and in another weather.

Each is a cached run's prompt with one attribute changed, so that runs of them span what the next edit will change. A
word of an attribute that the prompt has is replaced by another of the same attribute; one that it lacks is added.
"""

import re

# Of each attribute its values, and of each value the words for it, the plainest first.
TIMES = (
    ("at sunset", "sunset", "setting sun", "dusk", "golden hour", "evening", "twilight"),
    ("at night", "night", "nighttime", "midnight", "moonlight", "moonlit", "starry", "under the moon", "dark"),
    ("at noon", "noon", "midday", "daytime", "day", "sunny", "daylight"),
    ("at sunrise", "sunrise", "dawn", "morning"),
)
WEATHERS = (
    ("in the snow", "snow", "snowy", "snowing", "snowfall", "blizzard", "winter", "wintry", "snow covered"),
    ("in the fog", "fog", "foggy", "mist", "misty", "haze", "hazy"),
    ("in clear weather", "clear", "blue sky", "clear weather"),
    ("in the rain", "rain", "rainy", "raining", "storm", "stormy"),
)
ATTRIBUTES = (TIMES, WEATHERS)


def variants(prompt: str) -> tuple[str, ...]:
    """One likely next prompt for each attribute.

    >>> variants("a cabin by a lake at sunset")
    ('a cabin by a lake at night', 'a cabin by a lake at sunset, in the snow')
    """
    return tuple(_changed(prompt, values) for values in ATTRIBUTES)


def _changed(prompt: str, values: tuple[tuple[str, ...], ...]) -> str:
    """The prompt with the attribute at the next value after its own, the first one where it has none."""
    for number, words in enumerate(values):
        other = values[(number + 1) % len(values)][0]
        for phrase in sorted(words, key=len, reverse=True):
            found = re.search(rf"\b{re.escape(phrase)}\b", prompt, re.IGNORECASE)
            if found:
                return _joined(prompt[: found.start()], other, prompt[found.end() :])
    return f"{prompt}, {values[0][0]}"


def _joined(before: str, phrase: str, after: str) -> str:
    """The phrase in the place of another; a preposition that led to the old one goes with it."""
    led = re.sub(r"\b(at|in|during|by|under|with)( the| a| an)? $", "", before)
    # An adjective stood before its noun, a phrase stands behind the whole.
    if after.strip() and not after.lstrip().startswith((",", ".", ";")):
        return f"{' '.join((led + after).split())}, {phrase}"
    return f"{led}{phrase}{after}"
