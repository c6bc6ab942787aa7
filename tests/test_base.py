"""Records of the public interface: equal where their numbers are, and one line each in a notebook."""

import copy

import pytest
import torch

import trajflow
from trajflow.base import Schedule
from trajflow.testing import GaussianMixture


@pytest.fixture(scope="module")
def made():
    """A result with a source, its entry, the steps of its run, and what it was made from."""
    session = trajflow.Session(GaussianMixture())
    session.generate("a snowy mountain")
    *steps, result = session.stream("a snowy mountain at dusk", budget=3, compare=True)
    entry = session.entries()[0]
    conditioning = session.model.encode("a snowy mountain", "", 1.0)
    grid = result.plan.sampling.schedule
    evaluation = session.model.evaluate(entry.trajectory.noise, grid.point(2), conditioning)
    return {
        "schedule": grid,
        "point": grid.point(2),
        "conditioning": conditioning,
        "evaluation": evaluation,
        "trajectory": entry.trajectory,
        "sampling plan": result.plan.sampling,
        "plan": result.plan,
        "step": steps[0],
        "result": result,
    }


@pytest.mark.parametrize("name", ["schedule", "conditioning", "trajectory", "sampling plan", "plan", "result"])
def test_a_copy_is_equal_and_hashes_alike(made, name: str) -> None:
    copied = copy.deepcopy(made[name])
    assert copied is not made[name]
    assert copied == made[name]
    assert made[name] != "another thing"
    if name in ("schedule", "conditioning", "trajectory"):
        assert hash(copied) == hash(made[name])


def test_one_other_number_makes_the_difference(made) -> None:
    grid, run = made["schedule"], made["trajectory"]
    moved = grid.sigmas.clone()
    moved[3] += 1e-4
    assert Schedule(moved, grid.timesteps) != grid
    other = copy.deepcopy(run)
    other.velocities[0, 0, 0, 0, 0] += 1e-3
    assert other != run
    asked = copy.deepcopy(made["conditioning"])
    next(iter(asked.tensors.values())).view(-1)[0] += 1 if asked.tensors else 0
    assert (asked == made["conditioning"]) == (not asked.tensors)


def test_every_record_is_one_short_line(made) -> None:
    for name, record in made.items():
        shown = repr(record)
        assert "\n" not in shown, name
        assert "tensor(" not in shown, name
        assert len(shown) < (600 if name == "plan" else 200), f"{name}: {shown}"
    assert repr(made["schedule"]).startswith("Schedule(8 steps, sigma 1 to 0")
    assert "3 of 8 evaluations" in repr(made["result"])


def test_equality_does_not_ask_where_the_numbers_are(made) -> None:
    grid = made["schedule"]
    assert Schedule(grid.sigmas.clone(), torch.as_tensor(grid.timesteps.numpy())) == grid
