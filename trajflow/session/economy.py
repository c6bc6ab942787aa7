"""Economy: which runs to compute in full at once, because later requests will start from them.

The first evaluation, at the noise that all sources share, is paid for either way. With V_i the velocities of the runs
computed in full so far, the run is computed in full when it is far from all of them,

    min_i |v_0 - V_i,0| / |v_0| > FAR,

unless that would raise the share of full runs above MOST_FULL: a path taken over from afar is the least exact, and a
run computed in full is most useful where none is near. Neither number is settled: on calibration chains of edits
(`assets/pairs/chains_calibration.csv`) half of all distances lay between 0.5 and 1.2, and more full runs bought more
decibels at every share tried, but fewer than as many plain steps on every picture did (`trajflow bench chains`).
"""

from torch import Tensor

from trajflow.base import Trajectory

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
