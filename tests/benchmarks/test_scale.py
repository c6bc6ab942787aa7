"""The simulation of replicas against what is known without it."""

from dataclasses import replace

import pytest

pytest.importorskip("simpy", reason="simpy is in the extra `dev`")

from benchmarks.scale.simulation import FALLBACKS, Ring, Work, simulate

ALONE = Work(
    1, 4000.0, people=1, think_seconds=2.0, edit=5, full=5, evaluation_seconds=0.1, path_bytes=0.0, store_seconds=0.0
)
# Enough of them to be exact in less time.
CROWD = replace(ALONE, people=20, seconds=1000.0)


def test_a_person_alone_waits_for_nobody_and_is_served_at_home():
    told = simulate(ALONE)
    assert told.latency_mean == pytest.approx(5 * 0.1 + 0.1)
    assert told.wait_mean == told.wait_p95 == 0.0
    assert told.runs_per_second == pytest.approx(1 / (2.0 + 0.6), rel=0.05)
    assert told.busy_share == pytest.approx(0.6 / 2.6, rel=0.05)
    assert (told.at_home_share, told.warm_share) == (1.0, 1.0)


def test_no_replica_does_more_than_it_can():
    told = simulate(CROWD)
    assert told.runs_per_second == pytest.approx(1 / 0.6, rel=0.01)
    assert told.busy_share == pytest.approx(1.0, rel=0.01)
    # Little's law: twenty people are either thinking or here.
    assert told.runs_per_second * (told.latency_mean + 2.0) == pytest.approx(20, rel=0.02)
    twice = simulate(replace(CROWD, replicas=2))
    assert twice.runs_per_second == pytest.approx(2 / 0.6, rel=0.01)


def test_a_store_that_is_slower_than_its_readers_is_what_they_wait_for():
    work = replace(ALONE, people=20, replicas=8, store_servers=1, path_bytes=1e9, store_bytes_per_second=1e9)
    told = simulate(work)
    assert (told.store_written_bytes + told.store_read_bytes) == pytest.approx(1e9, rel=0.05)


@pytest.mark.parametrize("replicas", [4, 50])
def test_a_replica_that_joins_moves_its_own_share_of_the_sessions_and_no_other(replicas):
    ring = Ring()
    for number in range(replicas):
        ring.add(number)
    before = [ring.ranked(session) for session in range(4000)]
    assert all(len(set(ranked)) == FALLBACKS + 1 for ranked in before)
    ring.add(replicas)
    after = [ring.ranked(session)[0] for session in range(4000)]
    moved = [new for old, new in zip(before, after, strict=True) if old[0] != new]
    assert set(moved) == {replicas}, "nobody moves but to the one that joined"
    assert len(moved) / 4000 == pytest.approx(1 / (replicas + 1), rel=0.35)
