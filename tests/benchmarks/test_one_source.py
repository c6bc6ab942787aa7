"""One cached run against the learned solver: what is run, counted and told."""

from dataclasses import replace

from benchmarks.one_source import Row, measure, table
from trajflow.base import NodeSchedule
from trajflow.calibration import Caching, Placement, Profile
from trajflow.learning.pairs import Pair
from trajflow.policies.budcache import BudCache
from trajflow.policies.calibrated import Calibrated

PAIR = Pair("time", "a mountain at sunset", "a mountain at dawn", 3)


def test_every_way_is_run_on_the_pair_and_counted(mixture) -> None:
    near = NodeSchedule((0, 3, 5))
    far = replace(near, nodes=(0, 4, 6))
    solver = Calibrated(BudCache((0, 2, 5), "velocity"), {}, 1)
    profile = Profile(
        steps=8,
        single={3: Placement(replace(near, far=far, far_from=1e-6))},
        several={3: Placement(near)},
        without_sources={3: Caching({"solver": solver}, {})},
    )
    rows = list(measure(mixture, [PAIR], [3, 4], profile, is_ahead=True))
    assert [row.method for row in rows] == [
        "one source",
        "one source, nothing learned for far ones",
        "with two made ahead",
        "solver",
    ]
    assert {row.evaluations for row in rows} == {3}
    assert rows[0].psnr_db != rows[1].psnr_db


def test_gains_are_of_pairs_not_of_medians() -> None:
    others = [replace(PAIR, seed=seed) for seed in range(3)]
    own, rival = (30.0, 40.0, 50.0), (29.0, 45.0, 20.0)
    rows = [
        Row(pair, method, 5, taken, db)
        for method, taken, values in (("one source", 9, own), ("solver", 10, rival))
        for pair, db in zip(others, values, strict=True)
    ]
    assert table(rows) == [
        ["5", "9", "one source", "40.0 / 32.0", "+1.0"],
        ["5", "10", "solver", "29.0 / 21.8", "–"],
    ]
