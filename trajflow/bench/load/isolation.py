"""Whose pictures are whose: many sessions at once do what each would do alone, and every outcome is compared with that.

A script is a list of operations. It is played once by a session that is alone, and then by several sessions in the
crowd. What is compared is what the visitor sees: the pixels bit for bit, what was computed for them, from which
prompts, and whether they came from the store. So a picture, a source or an answer that slipped from one session into
another of the same prompts shows as well.
"""

import hashlib
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from trajflow.base import Model
from trajflow.bench.load.prompts import PROMPTS
from trajflow.bench.visitor import Visitor
from trajflow.session import Session

# One operation: its name, and the number of a prompt or a picture that it is about.
Operation = tuple[str, int]
ACTS = ("run", "run", "run", "run", "again", "look", "forget", "list")
SEED = 7


class Player(Protocol):
    """A session as scripts know it; each operation returns what its visitor sees, as plain data."""

    def act(self, operation: Operation) -> Any:
        """Do one operation."""

    def close(self) -> None:
        """Leave."""


def script(number: int, length: int) -> list[Operation]:
    """The same operations for the same number."""
    chance = random.Random(number)
    return [(chance.choice(ACTS), chance.randrange(len(PROMPTS))) for _ in range(length)]


def play(player: Player, operations: Sequence[Operation]) -> list[Any]:
    """Everything that the visitor sees."""
    try:
        return [player.act(operation) for operation in operations]
    finally:
        player.close()


def compare(make: Any, sessions: int, operations: int, scripts: int) -> int:
    """How many outcomes of sessions in a crowd differ from those of a session alone; `make()` makes a player."""
    chosen = [script(number, operations) for number in range(scripts)]
    alone = [play(make(), each) for each in chosen]
    with ThreadPoolExecutor(sessions) as crowd:
        seen = list(crowd.map(lambda number: play(make(), chosen[number % scripts]), range(sessions)))
    pairs = (
        (one, other)
        for number, mine in enumerate(seen)
        for one, other in zip(mine, alone[number % scripts], strict=True)
    )
    return sum(one != other for one, other in pairs)


class Tab:
    """A player at the app."""

    def __init__(self, url: str, steps: int, side: int) -> None:
        self._visitor = Visitor(url)
        self._asked = {"seed": SEED, "steps": steps, "width": side, "height": side}
        self._made: list[tuple[str, str]] = []

    def act(self, operation: Operation) -> Any:
        """As `Player`."""
        name, number = operation
        if name == "run" or not self._made:
            return self._run(PROMPTS[number])
        prompt, key = self._made[number % len(self._made)]
        if name == "again":
            return self._run(prompt)
        if name == "look":
            return hashlib.sha256(self._pixels(key)).hexdigest()
        if name == "forget":
            self._visitor.post("delete", {"key": key})
            self._made.remove((prompt, key))
        return sorted(node["prompt"] for node in self._visitor.library()["nodes"])

    def _run(self, prompt: str) -> Any:
        amount = max(1, self._asked["steps"] // 2)
        event = self._visitor.run(prompt, quality="evaluations", amount=amount, **self._asked)
        node, prompts = event["node"], {key: prompt for prompt, key in self._made}
        if node["key"] not in prompts:
            self._made.append((prompt, node["key"]))
        sources = [prompts.get(key, "somebody else's") for key in node["sources"]]
        pixels = hashlib.sha256(self._pixels(node["key"])).hexdigest()
        return pixels, event["spent"], event["stored"], node["kinds"], sources, node["reason"]

    def _pixels(self, key: str) -> bytes:
        import io

        from PIL import Image

        with Image.open(io.BytesIO(self._visitor.picture(key))) as image:
            return image.convert("RGB").tobytes()

    def close(self) -> None:
        """As `Player`."""
        self._visitor.close()


class Library:
    """A player with a `Session` of its own on a model that all share."""

    def __init__(self, model: Model, steps: int, side: int) -> None:
        self._session = Session(model)
        self._asked: dict[str, Any] = {"seed": SEED, "steps": steps, "width": side, "height": side}

    def act(self, operation: Operation) -> Any:
        """As `Player`."""
        name, number = operation
        entries = self._session.entries()
        if name == "run" or not entries:
            return self._run(PROMPTS[number])
        entry = entries[number % len(entries)]
        if name == "again":
            return self._run(entry.prompt)
        if name == "look":
            return hashlib.sha256(entry.result.image.tobytes()).hexdigest()
        if name == "forget":
            self._session.forget(entry.key)
        return sorted(each.prompt for each in self._session.entries())

    def _run(self, prompt: str) -> Any:
        held = {entry.key: entry.prompt for entry in self._session.entries()}
        result = self._session.generate(prompt, budget=max(1, self._asked["steps"] // 2), **self._asked)
        sources = [held.get(key, "somebody else's") for key in result.plan.sources]
        pixels = hashlib.sha256(result.image.tobytes()).hexdigest()
        return pixels, result.cost, result.from_store, result.kinds, sources, result.plan.reason

    def close(self) -> None:
        """As `Player`."""
        self._session.clear()
