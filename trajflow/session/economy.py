"""Economy: which runs to compute in full at once, because later requests will start from them.

The first evaluation, at the noise that all sources share, is paid for either way. With V_i the velocities of the runs
computed in full so far, the run is computed in full when it is far from all of them,

    min_i |v_0 - V_i,0| / |v_0| > FAR,

unless that would raise the share of full runs above MOST_FULL: a path taken over from afar is the least exact, and a
run computed in full is most useful where none is near. Neither number is settled: on calibration chains of edits
(`assets/pairs/chains_calibration.csv`) half of all distances lay between 0.5 and 1.2, and more full runs bought more
decibels at every share tried, but fewer than as many plain steps on every picture did (`python -m benchmarks chains`).
"""

from dataclasses import replace

from torch import Tensor

from trajflow.base import Match, Plan, Trajectory
from trajflow.field import Field
from trajflow.methods import METHODS
from trajflow.session.runner import Runner
from trajflow.settings import Settings

FAR = 0.8
MOST_FULL = 0.2


def distance_to(fresh: Tensor, sources: tuple[Trajectory, ...]) -> float:
    """min_i |v_0 - V_i,0| / |v_0| over the sources; `fresh` is v_0, [*x.shape]."""
    target = fresh.float()
    nearest = min(float((target - source.velocities[0].float()).norm()) for source in sources)
    return nearest / float(target.norm())


def deserves_full(distance: float, full: int, total: int) -> bool:
    """Whether to compute a run in full, when `full` of the `total` runs so far were."""
    return distance > FAR and full + 1 <= MOST_FULL * (total + 1)


def may_be_full(settings: Settings, matches: tuple[Match, ...], plan: Plan) -> bool:
    """Whether the plan leaves it open how much of the run to compute: it carries the run over, in part."""
    # Where matches were passed over, a run without them was found the better one at this budget.
    is_open = bool(plan.sources) or not matches
    return is_open and METHODS[settings.strategy].family == "transport" and plan.budget < settings.steps


class Economy:
    """Decides for the runs of one session, and counts them."""

    def __init__(self) -> None:
        self._full = self._total = 0

    def count(self, is_full: bool) -> None:
        """One more run, computed in full or not."""
        self._full, self._total = self._full + is_full, self._total + 1

    def decide(
        self, runner: Runner, settings: Settings, plan: Plan, sources: tuple[Trajectory, ...]
    ) -> tuple[Plan, tuple[Trajectory, ...], Field]:
        """The plan to follow after the first evaluation, its sources, and the field that knows that evaluation."""
        full = replace(runner.full_plan(settings), strategy=settings.strategy)
        field = runner.field(settings, full)
        if not sources:
            reason = (
                f"Nothing cached fits: all {settings.steps} steps are computed, and later requests start from here."
            )
            return replace(full, reason=reason), (), field
        distance = distance_to(runner.probe(field), sources)
        if deserves_full(distance, self._full, self._total):
            reason = (
                f"Far from all that is cached (the first velocity differs by {distance:.0%}): all {settings.steps} "
                "steps are computed, because later requests will start from here."
            )
            return replace(full, reason=reason), (), field
        field.budget = plan.budget
        return plan, sources, field
