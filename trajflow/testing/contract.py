"""What every model promises, as functions that raise AssertionError where one does not keep it.

`check_model` runs them all, at the model's default size and guidance: a small pipeline of random weights, whose layers
are not zero, is enough.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import torch
from torch import Tensor

from trajflow.base import Conditioning, Level, Model, Schedule, Vocabulary, vocabulary_of
from trajflow.field import euler_step

PROMPTS = ("a snowy mountain at dusk", "a red cabin by the sea")
STEPS = 4
THREADS = 4
ROUNDS = 2


def check_model(model: Model) -> None:
    """Every check below.

    >>> from trajflow.testing import GaussianMixture
    >>> check_model(GaussianMixture())
    """
    for check in CHECKS:
        check(model)


def check_members(model: Model) -> None:
    """It has all of `Model`, its levels are known ones, and its sizes fit each other."""
    assert isinstance(model, Model), f"{type(model).__name__} lacks a member of trajflow.Model"
    assert set(model.levels) <= set(get_args(Level)), f"levels are {model.levels}"
    assert "velocity" in model.levels, "a velocity can always be kept"
    assert len(set(model.levels)) == len(model.levels), f"levels are {model.levels}"
    assert model.most_prompts >= 1, f"most_prompts is {model.most_prompts}"
    assert all(isinstance(word, str) for word in (model.family, *model.takes)), "family and takes are words"
    displaced = getattr(model, "is_displaced_by_decoding", False)
    assert isinstance(displaced, bool), f"is_displaced_by_decoding is {displaced!r}, not True or False"
    known = vocabulary_of(model)
    assert known is None or isinstance(known, Vocabulary), f"vocabulary() is {type(known).__name__}, not a Vocabulary"
    defaults = model.defaults
    for side in (defaults.height, defaults.width):
        assert side % defaults.size_multiple == 0, f"{side} pixels are no multiple of {defaults.size_multiple}"
        assert side <= defaults.largest_side, f"{side} pixels are more than {defaults.largest_side}"


def check_identity(model: Model) -> None:
    """It is plain JSON, and the same as long as nothing changes."""
    identity = model.identity()
    assert json.loads(json.dumps(identity)) == identity, "the identity is not plain JSON"
    assert model.identity() == identity, "the identity changes by itself"


def check_schedule(model: Model) -> None:
    """Sigmas fall strictly to 0, one timestep for each step."""
    for steps in (2, STEPS):
        grid = model.schedule(steps, _shape(model))
        assert (len(grid.sigmas), grid.steps) == (steps + 1, steps), "N steps have N + 1 sigmas and N timesteps"
        assert grid.sigmas.dtype == torch.float32, f"sigmas are {grid.sigmas.dtype}"
        assert bool((grid.sigmas.diff() < 0).all()), f"sigmas do not fall: {grid.sigmas.tolist()}"
        assert float(grid.sigmas[-1]) == 0, f"the last sigma is {float(grid.sigmas[-1])}"


def check_noise(model: Model) -> None:
    """It depends on the seed and on nothing else, and leaves torch's own generator alone."""
    shape, before = _shape(model), torch.get_rng_state()
    first, again, other = (model.noise(seed, shape) for seed in (3, 3, 4))
    assert tuple(first.shape) == shape, f"noise is {tuple(first.shape)}, not {shape}"
    assert first.device.type == model.device.type, f"noise is on {first.device}, the model on {model.device}"
    assert torch.equal(first, again), "one seed gives two noises"
    assert not torch.equal(first, other), "two seeds give one noise"
    assert torch.equal(torch.get_rng_state(), before), "drawing noise moves torch's own generator"


def check_velocity(model: Model) -> None:
    """Same prompt, same bits; another prompt, another velocity. x stays as it is."""
    x, grid = _start(model)
    asked, other = (_encode(model, prompt) for prompt in PROMPTS)
    before = x.clone()
    first = model.evaluate(x, grid.point(1), asked, None)
    assert torch.equal(x, before), "evaluating writes to x"
    assert first.velocity.shape == x.shape, f"the velocity is {tuple(first.velocity.shape)}, not {tuple(x.shape)}"
    assert bool(torch.isfinite(first.velocity).all()), "the velocity is not finite"
    assert first.rows >= 1, f"rows are {first.rows}"
    assert not first.residual, "something was kept that nobody asked for"
    again = model.evaluate(x, grid.point(1), _encode(model, PROMPTS[0]), None)
    assert torch.equal(again.velocity, first.velocity), "the same prompt gives another velocity"
    heard = model.evaluate(x, grid.point(1), other, None)
    assert not torch.equal(heard.velocity, first.velocity), "the prompt is not heard"
    later = model.evaluate(x, grid.point(2), asked, None)
    assert not torch.equal(later.velocity, first.velocity), "the time is not heard"


def check_keeping(model: Model) -> None:
    """At every level: keeping changes no bit, and put back where it was kept it is the evaluation."""
    x, grid = _start(model)
    asked = _encode(model, PROMPTS[0])
    plain = model.evaluate(x, grid.point(1), asked, None).velocity
    for level in model.levels:
        kept = model.evaluate(x, grid.point(1), asked, level)
        assert torch.equal(kept.velocity, plain), f"keeping at level {level} changes the velocity"
        assert kept.residual, f"nothing is kept at level {level}"
        back = model.reuse(x, grid.point(1), asked, kept.residual)
        assert _are_near(back, plain), f"level {level} put back where it was kept gives another velocity"


def check_batches(model: Model) -> None:
    """Prompts side by side, where the model takes more than one, are answered as alone."""
    if model.most_prompts == 1:
        return
    x, grid = _start(model)
    asked = [_encode(model, prompt) for prompt in PROMPTS]
    rows = torch.cat([x, model.noise(1, tuple(x.shape))])
    both, point = model.join(asked), grid.point(1)
    for level in (None, *model.levels):
        together = model.evaluate(rows, point, both, level)
        each = [model.evaluate(row[None], point, c, level) for row, c in zip(rows, asked, strict=True)]
        alone = torch.cat([one.velocity for one in each])
        assert _are_near(together.velocity, alone), "side by side, prompts are answered otherwise than alone"
        assert together.rows == sum(one.rows for one in each), "rows are not counted for every prompt"
        if level is not None:
            back = model.reuse(rows, point, both, together.residual)
            assert _are_near(back, alone), f"level {level} of prompts side by side is not put back as it was kept"


def check_decoding(model: Model) -> None:
    """A whole run ends in an RGB picture of the size that was asked for, the same again, at another size too."""
    defaults = model.defaults
    sizes = [(defaults.height, defaults.width)]
    if defaults.width > defaults.size_multiple:
        sizes.append((defaults.height, defaults.width - defaults.size_multiple))
    for height, width in sizes:
        x = _run(model, model.latent_shape(height, width))
        picture = model.decode(x)
        assert (picture.mode, picture.size) == ("RGB", (width, height)), f"the picture is {picture.mode} {picture.size}"
        assert picture.tobytes() == model.decode(x).tobytes(), "decoding twice gives two pictures"


def check_threads(model: Model) -> None:
    """Several threads may encode at once, and each gets its own prompt's tensors."""
    prompts = [f"{prompt}, {'very ' * i}quiet" for i in range(THREADS) for prompt in PROMPTS]
    expected = [_encode(model, prompt) for prompt in prompts]
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(ROUNDS):
            for one, other in zip(threads.map(lambda p: _encode(model, p), prompts), expected, strict=True):
                assert (one.prompt, one.guidance) == (other.prompt, other.guidance)
                assert one.tensors.keys() == other.tensors.keys(), "a thread got the tensors of another prompt"
                assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors), (
                    "threads that encode at once disturb each other"
                )


CHECKS: tuple[Callable[[Model], None], ...] = (
    check_members,
    check_identity,
    check_schedule,
    check_noise,
    check_velocity,
    check_keeping,
    check_batches,
    check_decoding,
    check_threads,
)


def _shape(model: Model) -> tuple[int, ...]:
    return model.latent_shape(model.defaults.height, model.defaults.width)


def _start(model: Model) -> tuple[Tensor, Schedule]:
    shape = _shape(model)
    return model.noise(0, shape), model.schedule(STEPS, shape)


def _encode(model: Model, prompt: str) -> Conditioning:
    return model.encode(prompt, "", model.defaults.guidance)


def _run(model: Model, shape: tuple[int, ...]) -> Tensor:
    x, grid, asked = model.noise(0, shape), model.schedule(2, shape), _encode(model, PROMPTS[0])
    for k in range(grid.steps):
        velocity = model.evaluate(x, grid.point(k), asked, None).velocity
        x = euler_step(x, velocity, grid.sigmas[k], grid.sigmas[k + 1])
    return x


def _are_near(one: Tensor, other: Tensor) -> bool:
    """Up to what another order of adding changes."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0.01, atol=0.01 * float(other.std()))
