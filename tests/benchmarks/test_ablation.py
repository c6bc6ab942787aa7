import pytest
import torch

from benchmarks.ablation import HeldGuidance, ablate, held_count, markdown, summarise, variants
from trajflow.calibration import Profile
from trajflow.field import Field
from trajflow.learning.pairs import Pair

PAIRS = (Pair("time", "a mountain", "a mountain dusk", 3, ("a lake", "a lake dusk")),)


@pytest.mark.parametrize("budget", range(2, 15))
def test_held_guidance_has_as_many_nodes_as_the_rows_pay_for(budget: int) -> None:
    def rows(count: int) -> int:
        return sum(2 if k % 2 == 0 else 1 for k in range(count))

    assert rows(held_count(budget)) <= 2 * budget < rows(held_count(budget) + 1)


def test_held_guidance_pays_two_rows_and_one_in_turn_and_is_exact_when_the_direction_stays(model) -> None:
    shape = model.latent_shape(32, 32)
    conditioning, grid = model.encode("a mountain", "", 4.0), model.schedule(4, shape)
    field = Field(HeldGuidance(model), conditioning, grid, model.noise(0, shape), 4)
    full = model.evaluate(field.noise, grid.point(1), conditioning).velocity
    assert torch.equal(field.evaluate(field.noise, 1), full)
    again = field.evaluate(field.noise + 0, 1)
    assert again is not None
    assert (field.nfe, field.rows) == (1, 2), "the same state is not paid for again"
    moved = field.noise + 1e-3
    held, true = field.evaluate(moved, 1), model.evaluate(moved, grid.point(1), conditioning).velocity
    assert (field.nfe, field.rows) == (2, 3)
    assert (held - true).norm() < 0.02 * true.norm()


def test_every_set_of_ingredients_is_measured_at_its_price(model) -> None:
    measured = list(ablate(model, PAIRS, [3]))
    assert [each.ingredients for each in measured] == list(variants(Profile(), model.defaults.steps, 3))
    assert all(each.nfe == 3 for each in measured[:-1])
    assert measured[-1].rows <= measured[0].rows
    rows = summarise(measured)
    assert markdown(rows).count("\n") == 1 + len(rows)
