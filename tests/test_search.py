import itertools

import numpy as np
import pytest

from trajflow.search import search_nodes


def rugged(steps: int, seed: int):
    """A loss with an own value for each step, interactions between neighbours and many local minima."""
    rng = np.random.default_rng(seed)
    single, double = rng.random(steps), 2 * rng.random((steps, steps))

    def objective(nodes: tuple[int, ...]) -> float:
        pairs = itertools.pairwise(nodes)
        return float(sum(single[list(nodes)]) + sum(double[a, b] for a, b in pairs))

    return objective


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("count", "fixed"), [(4, 1), (5, 2)])
def test_finds_what_trying_all_sets_finds(seed: int, count: int, fixed: int) -> None:
    steps, objective = 14, rugged(14, seed)
    sets = [(*range(fixed), *rest) for rest in itertools.combinations(range(fixed, steps), count - fixed)]
    ranked = sorted(map(objective, sets))
    found = search_nodes(steps, count, objective, fixed=fixed, seed=seed)
    assert found.loss == objective(found.nodes)
    assert found.loss in ranked[: len(ranked) // 50], "not among the best 2 % of all sets"
    assert found.evaluated < len(sets) or len(sets) < 300


def test_measures_no_set_twice_and_counts_them() -> None:
    objective, seen = rugged(20, 1), []

    def counted(nodes):
        seen.append(nodes)
        return objective(nodes)

    found = search_nodes(20, 6, counted, seed=3)
    assert len(seen) == len(set(seen)) == found.evaluated
    assert all(len(set(nodes)) == 6 and nodes[0] == 0 and list(nodes) == sorted(nodes) for nodes in seen)


def test_is_deterministic_by_seed_and_never_worse_than_its_start() -> None:
    objective = rugged(28, 2)
    start = (0, 5, 9, 20, 27)
    one, two = (search_nodes(28, 5, objective, start=start, seed=4) for _ in range(2))
    assert one == two
    assert one.loss <= objective(start)


def test_a_full_set_and_a_fixed_set_need_no_search() -> None:
    assert search_nodes(5, 5, rugged(5, 0)).nodes == (0, 1, 2, 3, 4)
    assert search_nodes(9, 3, rugged(9, 0), fixed=3).evaluated == 1


@pytest.mark.parametrize(("count", "fixed", "start"), [(0, 1, None), (9, 1, None), (3, 4, None), (3, 1, (1, 2, 3))])
def test_refuses_what_cannot_be_chosen(count: int, fixed: int, start) -> None:
    with pytest.raises(ValueError, match=r"start|choose"):
        search_nodes(8, count, rugged(8, 0), fixed=fixed, start=start)
