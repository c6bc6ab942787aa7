"""The strategies as the page offers them: one line each, and those of a kind next to each other."""

from trajflow.methods import METHODS, Family

# In the order a newcomer may want them.
KINDS: dict[Family, str] = {
    "transport": "Carry over",
    "switch": "Resume",
    "reuse": "Reuse steps",
    "shorter": "Fewer steps",
    "full": "Everything",
}


def strategies() -> list[tuple[str, str]]:
    """What the list shows and what it stands for: `auto` first, then kind by kind."""
    ordered = sorted(METHODS, key=lambda name: (name != "auto", list(KINDS).index(METHODS[name].family)))
    return [(_line(name), name) for name in ordered]


def _line(name: str) -> str:
    kind = "" if name == "auto" else f"{KINDS[METHODS[name].family]} · "
    return f"{kind}{name}: {METHODS[name].summary}"
