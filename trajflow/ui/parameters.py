"""The text that A1111 writes into its pictures, and most other tools read: prompt, negative prompt, one line of pairs.

a mountain at dusk
Negative prompt: people
Steps: 28, Sampler: Euler, CFG scale: 4, Seed: 7, Size: 128x128, Model: tiny, Trajflow strategy: auto
"""

import re
from collections.abc import Mapping
from typing import Any

from trajflow.errors import RequestError

NEGATIVE = "Negative prompt: "
LONGEST_LINE = 4000
PAIR = re.compile(r'\s*([\w][\w \-/]{1,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
OWN = "Trajflow "


def write(settings: Mapping[str, Any]) -> str:
    """The text for the settings of one picture."""
    pairs = {
        "Steps": settings["steps"],
        "Sampler": "Euler",
        "CFG scale": settings["guidance"],
        "Seed": settings["seed"],
        "Size": f"{settings['width']}x{settings['height']}",
        "Model": settings["model"],
        f"{OWN}strategy": settings["strategy"],
        f"{OWN}budget": settings["budget"],
        f"{OWN}fidelity": settings["fidelity"],
        f"{OWN}evaluations": settings["nfe"],
    }
    line = ", ".join(f"{name}: {_quoted(value)}" for name, value in pairs.items() if value is not None)
    negative = f"{NEGATIVE}{settings['negative_prompt']}\n" if settings["negative_prompt"] else ""
    return f"{settings['prompt']}\n{negative}{line}"


def read(text: str) -> dict[str, Any]:
    """The settings that a text names, ours and A1111's; unknown pairs are left out. Raises RequestError."""
    *lines, last = text.strip().split("\n")
    # No tool writes longer ones, and a search through them would take its time.
    pairs = dict(PAIR.findall(last)) if len(last) <= LONGEST_LINE else {}
    if "Steps" not in pairs:
        lines, pairs = [*lines, last], {}
    prompt, _, negative = "\n".join(lines).partition(f"\n{NEGATIVE}" if lines else NEGATIVE)
    if not prompt.strip():
        raise RequestError("The text holds no prompt.")
    width, _, height = pairs.get("Size", "").partition("x")
    own = {name.removeprefix(OWN): value for name, value in pairs.items() if name.startswith(OWN)}
    found = {
        "negative_prompt": negative.strip() or "",
        "steps": _number(pairs.get("Steps")),
        "guidance": _number(pairs.get("CFG scale"), is_whole=False),
        "seed": _number(pairs.get("Seed")),
        "width": _number(width),
        "height": _number(height),
        "model": pairs.get("Model", "").strip('"') or None,
        "strategy": own.get("strategy"),
        "budget": _number(own.get("budget")),
        "fidelity": _number(own.get("fidelity"), is_whole=False),
    }
    return {"prompt": prompt.strip(), **{name: value for name, value in found.items() if value is not None}}


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if any(mark in text for mark in ',:\n"') else text


def _number(text: str | None, *, is_whole: bool = True) -> int | float | None:
    pattern = r"-?\d{1,19}" if is_whole else r"\d{1,6}(\.\d{1,12})?"
    if text is None or not re.fullmatch(pattern, text.strip()):
        return None
    return int(text) if is_whole else float(text)
