"""Wall time of one run, phase by phase."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class PhaseClock:
    """Adds up the seconds spent in each named phase.

    `with clock("embed"): ...` times a phase; entering the same name again adds to it, and an exception inside still
    counts the time until it was raised. Phases do not nest. On a CUDA device the clock waits for queued kernels at both
    ends of a phase, so that work is charged to the phase that asked for it. One clock serves one run on one thread.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        self._seconds: dict[str, float] = {}
        self._open: str | None = None

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Time the block as part of `phase`."""
        assert self._open is None, f"phase {phase!r} starts inside phase {self._open!r}: phases do not nest"
        self._open = phase
        start = self._now()
        try:
            yield
        finally:
            self._open = None
            self._seconds[phase] = self._seconds.get(phase, 0.0) + self._now() - start

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by phase so far, in the order the phases were first entered; a copy."""
        return dict(self._seconds)

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
