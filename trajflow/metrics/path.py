"""Diagnostics of a finished run: its path beside the cached ones and, where it is known, the from-scratch one.

With x_k the run's path, v_k its velocities, s_k the path of the first source, r_k the reference (the from-scratch path,
or without it s_k), A_k the affine span of all source paths at step k, and j the first step that was evaluated:

    trajectory_error     sqrt(sum_k |x_k - r_k|^2 / sum_k |r_k|^2), k = 1..N
    terminal_error       |x_N - r_N| / |r_N|
    smoothness           mean of (v_{k+1} - 2 v_k + v_{k-1})^2 over the numbers of v and k = 1..N-2
    manifold_final       dist(x_N, A_N) / |x_N|
    manifold_mean        the same, averaged over k = 1..N
    sensitivity          |x_N - s_N| / |x_{m+1} - s_{m+1}|, m the first step at which the two part: how a first
                         departure grew by the end; 1 when they never part
    switch_angle         degrees between the source's velocity and the run's at step j
    switch_step          j

These need no evaluation. The terms are those of the shooting and MPC notes (seed texts 001, 002), relative to lengths
so that models compare. Without the target's baseline an "error" is only the distance from the old picture, and its name
says so.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trajflow.base import Trajectory
from trajflow.field import angle_degrees, recompute_path


def path_diagnostics(
    trajectory: Trajectory, sources: Sequence[Trajectory] = (), baseline: Trajectory | None = None
) -> dict[str, float]:
    """The diagnostics above by name, of a run on the same grid and noise as `sources` and `baseline`.

    What a missing path leaves undefined is left out; against a source instead of the baseline, the two errors are named
    `trajectory_error_to_source` and `terminal_error_to_source`.
    """
    path = _path(trajectory)
    found = {"smoothness": smoothness(trajectory.velocities)}
    paths = torch.stack([_path(source) for source in sources]) if sources else None
    if baseline is not None:
        reference, suffix = _path(baseline), ""
    elif paths is not None:
        reference, suffix = paths[0], "_to_source"
    else:
        return found
    found[f"trajectory_error{suffix}"] = relative_distance(path[1:], reference[1:])
    found[f"terminal_error{suffix}"] = relative_distance(path[-1], reference[-1])
    if paths is None:
        return found
    off = [manifold_distance(path[k], paths[:, k]) for k in range(1, len(path))]
    found["manifold_final"], found["manifold_mean"] = off[-1], sum(off) / len(off)
    found["sensitivity"] = sensitivity(path, paths[0])
    if "computed" in trajectory.kinds:
        j = trajectory.kinds.index("computed")
        found["switch_angle"] = angle_degrees(sources[0].velocities[j], trajectory.velocities[j])
        found["switch_step"] = float(j)
    return found


def smoothness(velocities: Tensor) -> float:
    """Mean squared second difference of velocities [N, ...]; 0 for fewer than three."""
    if len(velocities) < 3:
        return 0.0
    v = velocities.double().cpu()
    return float((v[2:] - 2 * v[1:-1] + v[:-2]).square().mean())


def relative_distance(a: Tensor, b: Tensor) -> float:
    """|a - b| / |b|, for tensors of one shape."""
    return float((a.double() - b.double()).norm() / b.double().norm())


def manifold_distance(x: Tensor, points: Tensor) -> float:
    """Distance of x from the affine span of `points` [S, *x.shape], over |x|; by least squares in float64."""
    away = (x.double() - points[0].double()).flatten()
    directions = (points[1:].double() - points[0].double()).flatten(1).T
    if directions.shape[1] and away.any():
        # gelsd: repeated sources make the directions dependent.
        weights = torch.linalg.lstsq(directions, away[:, None], driver="gelsd").solution
        away = away - (directions @ weights)[:, 0]
    return float(away.norm() / x.double().norm())


def sensitivity(path: Tensor, other: Tensor) -> float:
    """How far two paths [N + 1, ...] from one start are apart at the end, over the distance when they first part."""
    apart = (path.double() - other.double()).flatten(1).norm(dim=1)
    parted = apart.nonzero()
    return float(apart[-1] / apart[parted[0, 0]]) if len(parted) else 1.0


def _path(trajectory: Trajectory) -> Tensor:
    """[N + 1, ...] on the CPU."""
    return torch.stack([x.cpu() for x in recompute_path(trajectory)])
