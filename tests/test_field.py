import dataclasses

import pytest
import torch

import trajflow
from trajflow.errors import BudgetExceeded, NumericalError
from trajflow.field import Field

SHAPE = (1, 3, 8, 8)


def make_field(model, guidance: float, budget: int) -> Field:
    noise = model.noise(0, SHAPE)
    return Field(model, model.encode("a mountain", "fog", guidance), model.schedule(6, SHAPE), noise, budget)


@pytest.mark.parametrize(("guidance", "rows"), [(0.0, 1), (1.0, 1), (1.5, 2), (7.0, 2)])
def test_one_evaluation_is_one_nfe_and_guidance_doubles_its_rows(mixture, guidance: float, rows: int) -> None:
    field = make_field(mixture, guidance, budget=6)
    for k in range(3):
        field.evaluate(field.noise, k)
        assert (field.nfe, field.rows) == (k + 1, rows * (k + 1))
        assert (field.cost.nfe, field.cost.rows) == (k + 1, rows * (k + 1))
    assert mixture.calls == 3


@pytest.mark.parametrize(("guidance", "rows"), [(1.0, 1), (4.0, 2)])
def test_a_real_pipeline_counts_the_same(model, guidance: float, rows: int) -> None:
    shape = model.latent_shape(32, 32)
    noise = model.noise(0, shape)
    field = Field(model, model.encode("a mountain", "", guidance), model.schedule(4, shape), noise, 4)
    velocity = field.evaluate(noise, 1)
    assert velocity.shape == noise.shape
    assert (field.nfe, field.rows) == (1, rows)


def test_the_field_asks_at_the_steps_own_sigma(mixture) -> None:
    field = make_field(mixture, 1.0, budget=6)
    for k in (0, 3, 5):
        expected = mixture.velocity(field.noise, float(field.schedule.sigmas[k]), "a mountain")
        assert torch.equal(field.evaluate(field.noise, k), expected)


def test_the_evaluation_after_the_last_allowed_one_raises_and_is_not_made(mixture) -> None:
    field = make_field(mixture, 3.0, budget=2)
    field.evaluate(field.noise, 0)
    field.evaluate(field.noise, 1)
    with pytest.raises(BudgetExceeded, match="2 evaluations"):
        field.evaluate(field.noise, 2)
    assert (field.nfe, mixture.calls) == (2, 2)


def test_the_state_evaluated_last_at_a_step_is_not_paid_for_again(mixture) -> None:
    field = make_field(mixture, 3.0, budget=2)
    first = field.evaluate(field.noise, 1)
    assert field.evaluate(field.noise.clone(), 1) is first
    assert (field.nfe, mixture.calls) == (1, 1)
    field.evaluate(field.noise, 2)
    with pytest.raises(BudgetExceeded):
        field.evaluate(torch.nextafter(field.noise, torch.tensor(9.0)), 1)


def test_what_an_earlier_run_evaluated_is_taken_at_its_own_state_only(mixture) -> None:
    field = make_field(mixture, 1.0, budget=1)
    known = torch.full(SHAPE, 2.0)
    field.remember(field.noise, 3, known)
    assert field.evaluate(field.noise, 3) is known
    assert field.nfe == 0
    assert not torch.equal(field.evaluate(field.noise + 1, 3), known)
    assert field.nfe == 1


@pytest.fixture
def make_broken(make_mixture):
    """The mixture with one wrong number in the velocity of its call number `at`."""

    class Broken(make_mixture):
        def __init__(self, value: float, at: int) -> None:
            super().__init__()
            self.value, self.at = value, at

        def evaluate(self, x, point, conditioning, keep=None):
            evaluation = super().evaluate(x, point, conditioning, keep)
            if self.calls != self.at:
                return evaluation
            velocity = evaluation.velocity.clone()
            velocity[0, 1, 2, 3] = self.value
            return dataclasses.replace(evaluation, velocity=velocity)

    return Broken


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_single_bad_number_stops_the_run(make_broken, value: float) -> None:
    field = make_field(make_broken(value, at=2), 1.0, budget=6)
    field.evaluate(field.noise, 0)
    with pytest.raises(NumericalError, match="step 4 of 6"):
        field.evaluate(field.noise, 4)
    assert field.nfe == 2, "a wasted evaluation was still spent"


@pytest.mark.parametrize("at", [1, 5, 8, 12], ids=lambda at: f"call-{at}")
def test_nothing_of_a_run_with_nan_is_kept_and_the_session_goes_on(make_broken, at: int) -> None:
    model = make_broken(float("nan"), at)
    session = trajflow.Session(model)
    with pytest.raises(NumericalError):
        session.generate("a mountain", strategy="fewer-steps", budget=4, compare=True)
    assert session.entries() == ()
    assert session.nbytes == 0
    assert session.generate("a mountain").cost.nfe == 8
