"""Priors of reused steps, estimated in order: each on runs that all the earlier ones have corrected.

At reused step k the residual r that full computing leaves is compared with what is kept; w and b (see
`policies/calibrated.py`) minimise the squared difference over all prompts and places, for each channel and branch
apart. At level `velocity` the residual to reach is the one that leads from where the run is to where the from-scratch
run is at the end e of the gap,

    v_k + (x_k - x^_k) / (sigma_e - sigma_k),

so that an error made before is undone as far as the kept velocities tell. The other way, `single_pass`, measures all
priors on one uncorrected run (arXiv:2605.24870).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from trajflow.base import Level, Model, Residual, StepPolicy
from trajflow.field import euler_step
from trajflow.learning.known import Known
from trajflow.policies.calibrated import Calibrated, Prior

Form = Literal["offset", "scale", "history"]
DEPTHS: Mapping[Form, int] = {"offset": 1, "scale": 1, "history": 4}
RIDGE = 1e-6


def estimate(
    model: Model, runs: Sequence[Known], policy: StepPolicy, form: Form, *, is_single_pass: bool = False
) -> tuple[Calibrated, tuple[Tensor, ...]]:
    """The policy with its priors, and the final latents of the runs they were estimated on.

    Branches are told apart by their row, so at other levels than `velocity` a run must hold one prompt only.
    """
    steps, sigmas = runs[0].schedule.steps, runs[0].schedule.sigmas
    depth, level = DEPTHS[form], policy.level
    fields = [run.field(model) for run in runs]
    states = [run.noise for run in runs]
    kept: list[tuple[Residual, ...]] = [()] * len(runs)
    priors: dict[int, dict[str, Prior]] = {}
    computed = [k for k in range(steps) if k == 0 or policy.decide(k, ({},)) == "compute"]
    for k in range(steps):
        if k in computed:
            for i, field in enumerate(fields):
                velocity, residual = field.evaluate_keeping(states[i], k, level)
                older = kept[i] or (({"velocity": field.noise},) if level == "velocity" else ())
                kept[i] = (residual, *older)[:depth]
                states[i] = euler_step(states[i], velocity, sigmas[k], sigmas[k + 1])
            continue
        end = next((later for later in computed if later > k), steps)
        wanted = [_wanted(model, run, x, k, end, level) for run, x in zip(runs, states, strict=True)]
        priors[k] = {
            name: _fit([_column(past, name) for past in kept], [each[name] for each in wanted], form, level)
            for name in kept[0][0]
        }
        corrected = policy if is_single_pass else Calibrated(policy, {k: priors[k]}, depth)
        for i, field in enumerate(fields):
            velocity = field.reuse(states[i], k, corrected.restore(k, kept[i]))
            states[i] = euler_step(states[i], velocity, sigmas[k], sigmas[k + 1])
    return Calibrated(policy, priors, depth), tuple(states)


def spread_rows(policy: StepPolicy, known: Known) -> StepPolicy:
    """Priors of one prompt's rows, for all prompts of `known`, whose rows of one kind stand together."""
    if not isinstance(policy, Calibrated) or policy.level == "velocity":
        return policy

    def spread(tensor: Tensor, axis: int) -> Tensor:
        return torch.cat([tensor.repeat_interleave(count, axis) for count in known.conditioning.counts], axis)

    priors = {
        k: {name: Prior(spread(prior.weights, 1), spread(prior.offset, 0)) for name, prior in parts.items()}
        for k, parts in policy.priors.items()
    }
    return replace(policy, priors=priors)


def _wanted(model: Model, run: Known, x: Tensor, k: int, end: int, level: Level) -> Residual:
    residual = run.residual(model, k, level)
    if level != "velocity":
        return residual
    sigmas = run.schedule.sigmas
    return {"velocity": residual["velocity"] + (run.path[k] - x) / (sigmas[end] - sigmas[k])}


def _column(past: tuple[Residual, ...], name: str) -> tuple[Tensor, ...]:
    return tuple(each[name] for each in past if name in each)


def _fit(kept: Sequence[tuple[Tensor, ...]], wanted: Sequence[Tensor], form: Form, level: Level) -> Prior:
    """The prior for residuals kept newest first, M for each run; of velocities [P, C, ...] the channels are axis 1, of
    tokens [rows, T, D] there is a channel for each row and place in D."""
    channels = (1,) if level == "velocity" else (0, wanted[0].ndim - 1)
    rows = [[_by_channel(each, channels) for each in past] for past in kept]
    target = torch.cat([_by_channel(each, channels) for each in wanted], 1)
    given = torch.stack([torch.cat([row[i] for row in rows], 1) for i in range(len(kept[0]))], -1)
    shape = [size if axis in channels else 1 for axis, size in enumerate(wanted[0].shape)]
    if form == "offset":
        weights, offset = torch.ones_like(given[:, :1, 0].T), (target - given[..., 0]).mean(1)
    else:
        solution = _least_squares(torch.cat([given, torch.ones_like(given[..., :1])], -1), target)
        weights, offset = solution[:, :-1].T, solution[:, -1]
    return Prior(weights.reshape(-1, *shape).float().contiguous(), offset.reshape(shape).float())


def _by_channel(tensor: Tensor, channels: tuple[int, ...]) -> Tensor:
    """[channels, everything else], float64."""
    return tensor.double().movedim(channels, tuple(range(len(channels)))).flatten(0, len(channels) - 1).flatten(1)


def _least_squares(given: Tensor, target: Tensor) -> Tensor:
    """The weights [C, F] of `given` [C, n, F] nearest to `target` [C, n], with a small ridge."""
    products = given.mT @ given
    size = products.diagonal(dim1=1, dim2=2).sqrt().clamp_min(1e-12)
    scaled = products / (size[:, :, None] * size[:, None, :]) + RIDGE * torch.eye(given.shape[-1]).to(given)
    right = (given.mT @ target[..., None])[..., 0] / size
    return torch.linalg.solve(scaled, right) / size
