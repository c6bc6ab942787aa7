"""A training stage that may stop at any time and goes on where it stopped: weights, optimizer state and step.

The checkpoint is written beside and renamed, so there is always a whole one. Everything random in a step follows from
its number, so an interrupted stage ends with the weights an uninterrupted one would have.
"""

import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tools.world import together
from tools.world.optimizer import COOLDOWN, rate_factor


@dataclass(frozen=True)
class Pace:
    """How far a stage goes: `steps` in all, or until the clock (`time.time()`) says `until`.

    When `is_last`, nothing goes on afterwards: the learning rate falls to nothing by then, whichever end comes first,
    and what there is counts as finished.
    """

    steps: int
    until: float = float("inf")
    is_last: bool = False
    began: float = field(default_factory=time.time)

    def left(self, step: int) -> float:
        """The share of the stage that is not done yet, 1..0, by steps or by the clock."""
        share = 1 - step / self.steps
        if self.until < float("inf"):
            share = min(share, (self.until - time.time()) / max(1e-9, self.until - self.began))
        return max(0.0, share)

    def factor(self, step: int) -> float:
        """The share of the full learning rate in step number `step`."""
        share = rate_factor(step, self.steps)
        return min(share, self.left(step) / COOLDOWN) if self.is_last else share


class Stateful(Protocol):
    """Anything that can be kept in a checkpoint: a module or an optimizer."""

    def state_dict(self) -> dict:
        """What to keep."""
        ...

    def load_state_dict(self, state: dict) -> object:
        """Take up what was kept."""
        ...


def save(path: Path, step: int, states: Mapping[str, dict]) -> None:
    """Write the states of parts after `step` steps, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    torch.save({"step": step, **states}, unfinished)
    unfinished.replace(path)


def load(path: Path, parts: Mapping[str, Stateful], device: torch.device) -> int:
    """Restore `parts` from a checkpoint and return its step; 0 when there is none."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"]


def randomness(seed: int, step: int) -> tuple[np.random.Generator, torch.Generator]:
    """The random numbers of one step."""
    rng = np.random.default_rng([seed, step])
    return rng, torch.Generator().manual_seed(int(rng.integers(2**62)))


def run(
    name: str,
    take_step: Callable[[int], Mapping[str, float]],
    pace: Pace,
    path: Path,
    parts: Mapping[str, Stateful],
    device: torch.device,
    save_every: float = 300.0,
    on_save: Callable[[int], None] | None = None,
) -> bool:
    """Take steps as far as `pace` allows; whether the stage is finished.

    What a step measures is averaged and appended to `<path>.csv` with the step, about every ten seconds; a checkpoint
    is written every `save_every` seconds and at the end. Of processes that train together, the first one writes what
    all of them put together.
    """
    step, saved, noted = load(path, parts, device), time.time(), time.time()
    measured: list[Mapping[str, float]] = []
    keeps = together.place() == 0
    while step < pace.steps and together.agree(time.time() < pace.until):
        measured.append(take_step(step))
        step += 1
        now = time.time()
        if keeps and (now - noted > 10 or step == pace.steps):
            _note(name, path.with_suffix(".csv"), step, (now - noted) / len(measured), measured)
            measured, noted = [], now
        if together.agree(now - saved >= save_every):
            _keep(path, step, parts, on_save)
            saved = time.time()
            noted += saved - now
    if keeps and measured:
        _note(name, path.with_suffix(".csv"), step, (time.time() - noted) / len(measured), measured)
    _keep(path, step, parts, on_save)
    return step >= pace.steps or pace.is_last


def _keep(path: Path, step: int, parts: Mapping[str, Stateful], on_save: Callable[[int], None] | None) -> None:
    states = {name: part.state_dict() for name, part in parts.items()}
    if together.place() == 0:
        save(path, step, states)
        if on_save:
            on_save(step)


def _note(name: str, path: Path, step: int, seconds: float, measured: list[Mapping[str, float]]) -> None:
    means = {key: float(np.mean([one[key] for one in measured])) for key in measured[0]}
    row = {"step": step, "seconds_a_step": seconds, **means}
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if is_new:
            writer.writeheader()
        writer.writerow({key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()})
    print(name, " ".join(f"{key} {value:.5g}" for key, value in row.items()), flush=True)


def normal(shape: torch.Size | tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """Standard normal noise that is the same on every device."""
    return torch.randn(shape, generator=generator).to(device)
