"""What people ask for: the same prompts in the same order whoever measures, near enough to serve each other."""

from itertools import product

PLACES = ("a mountain", "a lake", "a forest", "a city", "a field", "a river", "a harbour", "a desert", "a village")
TIMES = ("at dawn", "at noon", "at dusk", "at night", "in the fog", "in the snow", "in spring", "in autumn", "in rain")
PROMPTS = tuple(f"{place} {time}" for time, place in product(TIMES, PLACES))


def prompt(number: int) -> str:
    """Prompt number 0, 1 and so on, without an end; none is repeated.

    >>> prompt(0), prompt(81)
    ('a mountain at dawn', 'a mountain at dawn, view 1')
    """
    view, at = divmod(number, len(PROMPTS))
    return PROMPTS[at] + (f", view {view}" if view else "")
