"""A network that fails at one of its calls: the device is full, or a velocity is NaN. Put in where torch calls it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from trajflow.base import Model
from trajflow.errors import MemoryExhausted, ModelError, NumericalError
from trajflow.session import Session

Failure = Literal["memory", "nan"]
PROMPT, AFTER = "a mountain at dusk", "a mountain at dawn"
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"


@dataclass(frozen=True)
class Failed:
    """What came of failures at so many steps: those that were not told in the library's own words, runs kept that are
    not finite or of the failed run, peers whose pictures changed, and pictures afterwards that are not what they are
    undisturbed."""

    count: int
    untold: int
    poisoned: int
    peers: int
    after: int

    @property
    def is_clean(self) -> bool:
        """Nothing of that."""
        return not (self.untold or self.poisoned or self.peers or self.after)


@contextmanager
def failing(network: nn.Module, failure: Failure, call: int) -> Iterator[None]:
    """From call number `call` on (from 0), calls of this thread fail; other threads' do not."""
    owner, calls = threading.get_ident(), 0

    def spoil(module: nn.Module, inputs: Any, answer: Any) -> Any:
        nonlocal calls
        if threading.get_ident() != owner:
            return answer
        calls += 1
        if calls <= call:
            return answer
        if failure == "memory":
            raise torch.OutOfMemoryError(FULL)
        return tuple(torch.full_like(each, torch.nan) for each in answer)

    hook = network.register_forward_hook(spoil)
    try:
        yield
    finally:
        hook.remove()


def failures(model: Model, failure: Failure, steps: list[int], total: int, side: int) -> Failed:
    """Fail at each of those steps of `total`, while another session makes pictures on the same model."""
    network = network_of(model)
    asked: dict[str, Any] = {"seed": 7, "steps": total, "width": side, "height": side}
    expected = {prompt: Session(model).generate(prompt, **asked).image.tobytes() for prompt in (PROMPT, AFTER)}
    untold = poisoned = peers = after = 0
    for k in steps:
        session, peer = Session(model), Session(model)
        seen: list[bool] = []

        def live(peer: Session = peer, seen: list[bool] = seen) -> None:
            seen.append(peer.generate(AFTER, **asked).image.tobytes() == expected[AFTER])

        thread = threading.Thread(target=live)
        with failing(network, failure, k):
            thread.start()
            try:
                session.generate(PROMPT, **asked)
                untold += 1
            except (MemoryExhausted, NumericalError):
                pass
            except Exception:
                untold += 1
            thread.join()
        peers += seen != [True]
        poisoned += len(session.entries()) > 0 or session.nbytes > 0
        again = session.generate(PROMPT, **asked)
        after += again.from_store or again.image.tobytes() != expected[PROMPT]
        poisoned += sum(not torch.isfinite(e.trajectory.velocities).all() for e in session.entries() if e.trajectory)
    return Failed(len(steps), untold, poisoned, peers, after)


def network_of(model: Model) -> nn.Module:
    """The module that torch calls for each velocity. Raises ModelError for a model without one."""
    network = getattr(getattr(model, "pipeline", None), "transformer", None)
    if not isinstance(network, nn.Module):
        raise ModelError(f"{model.name} has no network to put a failure in.")
    return network
