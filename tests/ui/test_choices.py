from itertools import pairwise

from trajflow.methods import METHODS
from trajflow.ui import choices


def test_every_strategy_is_offered_once_and_explained():
    lines, names = zip(*choices.strategies(), strict=True)
    assert sorted(names) == sorted(METHODS)

    assert all(f"{name}: {METHODS[name].summary}" in line for line, name in zip(lines, names, strict=True))
    assert max(map(len, lines)) < 80


def test_the_planner_comes_first_and_kinds_stay_together():
    names = [name for _, name in choices.strategies()]
    assert names[0] == "auto"
    changes = sum(METHODS[one].family != METHODS[other].family for one, other in pairwise(names[1:]))
    assert changes == len(choices.KINDS) - 1


def test_a_line_names_its_kind():
    lines = {name: line for line, name in choices.strategies()}
    assert lines["auto"] == "auto: the planner decides"
    assert lines["budcache"].startswith("Reuse steps · budcache: ")
    assert lines["unipc"].startswith("Fewer steps · unipc: ")
