"""What the page or a program asks for, as `Session.stream` takes it: plain words become budgets and fidelities."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trajflow.base import Defaults
from trajflow.cache import LEARNED, PRESETS, Tier, tier_table
from trajflow.errors import RequestError
from trajflow.methods import METHODS
from trajflow.ui.limits import check_work

PREVIEW_EVALUATIONS = 3
DRAFT_DB = 30.0
# `tiers`: as far as the preset of similarity tiers says.
QUALITIES = ("draft", "balanced", "exact", "db", "evaluations", "tiers")
# Of the steps, for strategies that take a number of evaluations and cannot aim at a fidelity.
SHARES = {"draft": 1 / 7, "balanced": 1 / 4, "db": 1 / 4}
FIELDS = ("prompt", "negative_prompt", "seed", "steps", "guidance", "width", "height", "strategy")
MOST_SEEDS = 2**31
MOST_TIERS = 16


@dataclass(frozen=True)
class Ask:
    """One request: `options` for the session, whether it is only a preview of what is `wanted`, the picture it came
    from, and the cached pictures to start from or not; `is_apart` leaves out all of the same prompt. `tiers` say by
    similarity how far to resume, for the strategies that do; `LEARNED` leaves that to what the session has learned."""

    options: dict[str, Any]
    wanted: dict[str, Any]
    is_preview: bool = False
    parent: str | None = None
    pinned: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    is_apart: bool = False
    tiers: tuple[Tier, ...] | str = PRESETS["published"]


def read_ask(given: Mapping[str, Any], defaults: Defaults) -> Ask:
    """Check what came over the wire; the library checks the rest. Raises RequestError."""
    if not isinstance(given, Mapping):
        raise RequestError("A request must be an object with a prompt.")
    options = {name: given[name] for name in FIELDS if given.get(name) is not None}
    options.setdefault("prompt", "")
    options["seed"] = read_seed(given.get("seed"))
    steps = options.get("steps", defaults.steps)
    is_preview = given.get("level") == "preview"
    if is_preview and METHODS.get(_word(options.get("strategy", "auto"))) == METHODS["baseline"]:
        options["strategy"] = "auto"
    quality = given.get("quality", "balanced")
    if quality not in QUALITIES:
        raise RequestError(f"There is no quality {quality!r:.40}. Choose one of: {', '.join(QUALITIES)}.")
    wanted = dict(options)
    if isinstance(steps, int) and not isinstance(steps, bool):
        wanted |= _effort(quality, given.get("amount"), steps, options)
        options = options | _effort("preview", None, steps, options) if is_preview else wanted
    check_work(options, defaults)
    return Ask(
        options,
        wanted,
        is_preview,
        _key(given.get("parent")),
        _keys(given.get("pinned")),
        _keys(given.get("excluded")),
        given.get("apart") is True,
        read_tiers(given.get("tiers", "published")),
    )


def read_seed(value: Any) -> Any:
    """A seed; nothing and -1 mean a new one."""
    return secrets.randbelow(MOST_SEEDS) if value is None or value in ("", -1, "-1") else value


def read_tiers(given: Any) -> tuple[Tier, ...] | str:
    """The table of a preset's name, or of pairs [similarity, fraction of the steps resumed]; `LEARNED` for that one,
    which every session has its own of. Raises RequestError."""
    if isinstance(given, str) and given == LEARNED:
        return LEARNED
    if not isinstance(given, list):
        return tier_table(given)
    if len(given) > MOST_TIERS or not all(isinstance(pair, list) and len(pair) == 2 for pair in given):
        raise RequestError(f"Own tiers are at most {MOST_TIERS} pairs of a similarity and the fraction resumed.")
    return tier_table([Tier(f"tier {place}", least, fraction) for place, (least, fraction) in enumerate(given, 1)])


def _effort(quality: str, amount: Any, steps: int, options: dict[str, Any]) -> dict[str, Any]:
    """Budget or fidelity. Of a strategy that computes everything nothing is asked."""
    strategy = METHODS.get(_word(options.get("strategy", "auto")))
    if strategy is None or strategy.family == "full" or quality == "tiers":
        return {}
    if quality == "preview":
        return {"budget": min(PREVIEW_EVALUATIONS, steps)}
    if quality == "exact":
        return {"budget": steps}
    if quality == "evaluations":
        return {"budget": min(amount, steps) if isinstance(amount, int) else amount}
    if not strategy.is_anytime:
        return {"budget": max(1, round(steps * SHARES[quality]))}
    if quality == "db":
        return {"fidelity": amount}
    return {"fidelity": DRAFT_DB} if quality == "draft" else {}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _key(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= 64 else None


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(_key, value))) if isinstance(value, list) else ()
