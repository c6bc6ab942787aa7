"""Slips of the finger: a letter dropped, doubled, swapped with the next, or hit on a neighbouring key."""

import random

KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHORTEST = 4


def misspell(text: str, draw: random.Random) -> str:
    """`text` with a slip in one of its words, or in two of eight or more; words under four letters stay."""
    parts = text.split(" ")
    long = [i for i, part in enumerate(parts) if len(part) >= SHORTEST and part.isalpha()]
    for i in draw.sample(long, min(len(long), 2 if len(parts) >= 8 and draw.random() < 0.4 else 1)):
        parts[i] = slip(parts[i], draw)
    return " ".join(parts)


def slip(word: str, draw: random.Random) -> str:
    """`word` (two letters or more) with one slip; the first letter is the last to be hit wrongly, so it stays."""
    at = draw.randrange(1, len(word))
    kind = draw.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2 and at + 1 < len(word):
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + _neighbour(word[at], draw) + word[at + 1 :]


def _neighbour(letter: str, draw: random.Random) -> str:
    for row in KEY_ROWS:
        at = row.find(letter.lower())
        if at >= 0:
            return row[at - 1] if at and (at == len(row) - 1 or draw.random() < 0.5) else row[at + 1]
    return letter
