"""Three more ways to soften a late switch, v = v_old + (a share of v_new - v_old): ablations.

Every step after the switch is computed, at no saving over the direct switch; the note that lists these attempts
reports blur (seed text 000), and here it can be measured. With D = v_new - v_old, and n = 3 / 5 / 8 steps by prompt
similarity:

    uncertainty   a = U_old / (U_old + U_new) per latent pixel, U_old = (m / n) window mean of D^2 at the m-th step (the
                  cached field is trusted less and less), U_new = window mean of the change of v_new since the last step
    flow          a = p^2 (3 - 2p), p = (sigma_s - sigma_{k+1}) / (sigma_s - sigma_{s+n}): C^1 in the time of the flow
    derivative    the offset d is nudged toward D by at most |v_old_k - v_old_{k-1}| a step: the blend may turn no
                  faster than the cached field itself does

Equal velocities blend to themselves; without a cached prefix there is nothing to soften.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import avg_pool2d

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.transitions.blend import blend_steps

WINDOW = 3


@dataclass(frozen=True)
class Switch:
    """One step after the switch: index `k`, `past` steps after it (0 first), over a span of `span` steps; float32."""

    k: int
    past: int
    span: int
    sigmas: tuple[float, ...]
    old: Tensor
    old_before: Tensor
    new: Tensor
    new_before: Tensor | None
    offset: Tensor | None


Rule = Callable[[Switch], Tensor]


def by_uncertainty(at: Switch) -> Tensor:
    """The offset a D, a per pixel from the two fields' variances."""
    difference = at.new - at.old
    if at.past >= at.span:
        return difference
    doubt_old = (at.past + 1) / at.span * _local_power(difference)
    doubt_new = (
        _local_power(at.new - at.new_before) if at.new_before is not None else _local_power(at.old - at.old_before)
    )
    share = doubt_old / (doubt_old + doubt_new).clamp_min(1e-30)
    return share * difference


def by_flow(at: Switch) -> Tensor:
    """The offset a D, a by smoothstep in sigma."""
    difference = at.new - at.old
    start = at.sigmas[at.k - at.past]
    end = at.sigmas[min(at.k - at.past + at.span, len(at.sigmas) - 1)]
    progress = min(1.0, (start - at.sigmas[at.k + 1]) / (start - end))
    return progress**2 * (3 - 2 * progress) * difference


def by_derivative(at: Switch) -> Tensor:
    """The offset moved toward D at a limited rate, released after the span."""
    difference = at.new - at.old
    if at.past >= at.span:
        return difference
    offset = difference * 0 if at.offset is None else at.offset
    nudge = difference - offset
    size, most = float(nudge.norm()), float((at.old - at.old_before).norm())
    return offset + nudge * (most / size if size > most else 1.0)


def _local_power(x: Tensor) -> Tensor:
    power = x.square().mean(dim=1, keepdim=True)
    if power.ndim != 4:
        return power
    return avg_pool2d(power, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)


@dataclass(frozen=True)
class SofteningState:
    """What the rules look back on: the offset and the fresh velocity of the step before."""

    plan: SamplingPlan
    source: Trajectory
    sigmas: tuple[float, ...]
    span: int
    offset: Tensor | None = None
    new_before: Tensor | None = None


@dataclass(frozen=True)
class Softening:
    """Cached before the switch; after it every step is computed and added in as `rule` says."""

    rule: Rule

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[SofteningState, int, Tensor]:
        """Start at step 0, from the run's noise."""
        span = blend_steps(plan.similarity)
        return SofteningState(plan, sources[0], tuple(plan.schedule.sigmas.tolist()), span), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: SofteningState, field: VelocityField
    ) -> tuple[Tensor, StepKind, SofteningState]:
        """The cached velocity, then the softened one; without a cached prefix the fresh one alone."""
        start, old = state.plan.start_step, state.source.velocities[k]
        if k < start:
            return old, "cached", state
        new = field.evaluate(x, k)
        if start == 0:
            return new, "computed", state
        before = state.source.velocities[k - 1].float()
        at = Switch(
            k, k - start, state.span, state.sigmas, old.float(), before, new.float(), state.new_before, state.offset
        )
        offset = self.rule(at)
        velocity = (old.float() + offset).to(old.dtype)
        return velocity, "computed", replace(state, offset=offset, new_before=new.float())
