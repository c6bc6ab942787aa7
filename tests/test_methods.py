"""The table of methods: every row keeps its promises, and so does one that another package brings."""

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import trajflow
from benchmarks.steps import read_steps
from trajflow import methods
from trajflow.methods import BUILT_IN, METHODS, Method, register
from trajflow.testing import GaussianMixture, check_method
from trajflow.transitions.basis import Basis
from trajflow.transitions.direct import Direct
from trajflow.transitions.reuse import Reuse
from trajflow.ui import choices

README = Path(__file__).parents[1] / "README.md"
MODULE = '''
from trajflow.methods import Method


class ThreeStep:
    """Adams-Bashforth of third order on even steps; the state is the velocities before, newest first."""

    def begin(self, sources, plan, field):
        return (), 0, field.noise

    def velocity(self, k, x, state, field):
        fresh = field.evaluate(x, k)
        weights = {0: (1,), 1: (3 / 2, -1 / 2)}.get(len(state), (23 / 12, -16 / 12, 5 / 12))
        led = sum(weight * each for weight, each in zip(weights, (fresh, *state)))
        return led.to(fresh.dtype), "computed", (fresh, *state)[:2]


AB3 = Method("ab3", "shorter", ThreeStep(), "a shorter grid, Adams-Bashforth of third order")
NOTHING = 3
TWICE = (AB3, AB3)
'''


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_its_promises(name: str) -> None:
    check_method(METHODS[name])


def test_the_readme_lists_every_method() -> None:
    lines = README.read_text().partition("## Strategies")[2].partition("## ")[0].splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(listed) == sorted(METHODS)


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a package that names this object in `trajflow.methods`, and read the table anew."""

    def install(value: str) -> None:
        about = tmp_path / "outside-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[trajflow.methods]\nab3 = {value}\n")
        methods.load_plugins()

    (tmp_path / "outside_solver.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield install
    sys.modules.pop("outside_solver", None)
    for name in set(METHODS) - {method.name for method in BUILT_IN}:
        del METHODS[name]


def test_a_solver_from_another_package_is_a_method_like_any_other(bring) -> None:
    searched = read_steps()
    bring("outside_solver:AB3")
    check_method(METHODS["ab3"])
    session = trajflow.Session(GaussianMixture())
    result = session.generate("snowy mountain", strategy="ab3", budget=5)
    assert (result.plan.sampling.method, result.cost.nfe) == ("ab3", 5)
    assert "ab3" in methods.of_family("shorter")
    assert any("third order" in line for line, _ in choices.strategies())
    assert read_steps() == searched, "what was searched for the others is as it was"


def test_a_package_that_is_imported_before_the_library_brings_its_method_all_the_same(bring, tmp_path, caplog) -> None:
    """Its import asks for the library, which then finds the package half made."""
    spec = importlib.util.spec_from_file_location("outside_solver", tmp_path / "outside_solver.py")
    half_made = sys.modules["outside_solver"] = importlib.util.module_from_spec(spec)
    spec._initializing = True
    bring("outside_solver:AB3")
    assert "ab3" not in METHODS
    assert caplog.text == ""
    spec.loader.exec_module(half_made)
    spec._initializing = False
    result = trajflow.Session(GaussianMixture()).generate("a mountain", strategy="ab3", budget=5)
    assert result.cost.nfe == 5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("outside_solver:NOTHING", "neither a Method nor a sequence"),
        ("outside_solver:MISSING", "MISSING"),
        ("nowhere:AB3", "nowhere"),
        ("outside_solver:TWICE", "there is a method 'ab3' already"),
    ],
)
def test_a_package_that_brings_nothing_usable_is_named_and_left_out(bring, caplog, value: str, words: str) -> None:
    bring(value)
    assert words in caplog.text
    assert "outside" in caplog.text
    assert set(METHODS) - {method.name for method in BUILT_IN} <= {"ab3"}
    assert trajflow.Session(GaussianMixture()).generate("a mountain").cost.nfe == 8


@pytest.mark.parametrize("changes", [{"name": "basis"}, {"family": "strange"}, {"transition": object()}])
def test_a_row_that_does_not_fit_is_refused(changes: dict) -> None:
    row = Method("another", "transport", Basis(), "nothing new")
    with pytest.raises(ValueError, match=r"basis|strange|begin"):
        register(replace(row, **changes))
    assert "another" not in METHODS


class Spendthrift(Direct):
    """Evaluates a step that it has been given."""

    def velocity(self, k, x, state, field):
        if k < state[0].start_step:
            field.evaluate(x, k)
        return super().velocity(k, x, state, field)


class Wandering(Direct):
    """Ends elsewhere each time."""

    def velocity(self, k, x, state, field):
        velocity, kind, state = super().velocity(k, x, state, field)
        return velocity * (1 + 1e-3 * id(field) % 7), kind, state


class Writing(Direct):
    """Leaves its mark on what is cached."""

    def velocity(self, k, x, state, field):
        velocity, kind, state = super().velocity(k, x, state, field)
        state[1][0].velocities[k] += 0 if kind == "cached" else 1
        return velocity, kind, state


@pytest.mark.parametrize("transition", [Spendthrift(), Wandering(), Writing()])
def test_a_method_that_breaks_a_promise_is_told_so(transition) -> None:
    with pytest.raises((AssertionError, trajflow.errors.BudgetExceeded)):
        check_method(Method("wrong", "switch", transition, "not to be trusted"))


class Boaster(Reuse):
    """Calls every step computed."""

    def velocity(self, k, x, state, field):
        velocity, _, state = super().velocity(k, x, state, field)
        return velocity, "computed", state


class Stranger(Reuse):
    """Has a word of its own for what is not computed."""

    def velocity(self, k, x, state, field):
        velocity, kind, state = super().velocity(k, x, state, field)
        return velocity, kind if kind == "computed" else "predicted", state


@pytest.mark.parametrize(("transition", "words"), [(Boaster(), "steps computed with"), (Stranger(), "calls steps")])
def test_a_method_says_of_each_step_what_it_was(transition, words) -> None:
    """Else a run that coasted would be taken for the from-scratch one, or could not be kept."""
    with pytest.raises(AssertionError, match=words):
        check_method(Method("another", "reuse", transition, "nothing new"))
