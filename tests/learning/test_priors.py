import pytest
import torch

from trajflow.base import SamplingPlan
from trajflow.learning.known import run_known
from trajflow.learning.priors import estimate
from trajflow.policies.budcache import BudCache
from trajflow.policies.calibrated import Calibrated, Prior
from trajflow.sampler import collect, sample
from trajflow.transitions.reuse import Reuse

STEPS = 8
MASK = (0, 3, 6)
PROMPTS = [("snowy mountain", 1), ("dusk forest", 2), ("snowy forest", 3), ("mountain dusk", 4)]


@pytest.fixture(scope="module")
def known(shared_mixture):
    return tuple(run_known(shared_mixture, [asked], STEPS) for asked in PROMPTS)


def end_error(model, known, policy) -> float:
    errors = []
    for run in known:
        plan = SamplingPlan.reusing("budcache", run.schedule, policy, budget=STEPS)
        steps, _ = collect(sample(Reuse(), (), plan, run.field(model), ""))
        errors.append(float((steps[-1].latents - run.path[-1]).square().mean()))
    return sum(errors) / len(errors)


@pytest.mark.parametrize("level", ["velocity", "stack"])
@pytest.mark.parametrize("form", ["offset", "scale", "history"])
def test_priors_bring_runs_nearer_and_what_they_were_estimated_on_is_what_they_give(
    shared_mixture, known, level: str, form: str
) -> None:
    policy = BudCache(MASK, level)
    calibrated, latents = estimate(shared_mixture, known, policy, form)
    assert set(calibrated.priors) == set(range(STEPS)) - set(MASK)
    assert end_error(shared_mixture, known, calibrated) < end_error(shared_mixture, known, policy)
    for run, x in zip(known, latents, strict=True):
        plan = SamplingPlan.reusing("budcache", run.schedule, calibrated, budget=STEPS)
        steps, _ = collect(sample(Reuse(), (), plan, run.field(shared_mixture), ""))
        assert torch.allclose(steps[-1].latents, x, atol=1e-5)


def test_an_offset_is_the_mean_difference_of_each_channel(shared_mixture, known) -> None:
    calibrated, _ = estimate(shared_mixture, known, BudCache(MASK, "velocity"), "offset", is_single_pass=True)
    k, first, end = 1, 0, 3
    wanted = []
    for run in known:
        sigmas, velocity = run.schedule.sigmas, run.velocities[first]
        x = run.noise + (sigmas[k] - sigmas[first]) * velocity
        wanted.append(run.velocities[k] + (run.path[k] - x) / (sigmas[end] - sigmas[k]) - velocity)
    mean = torch.cat(wanted).mean(dim=(0, 2, 3))
    assert torch.allclose(calibrated.priors[k]["velocity"].offset.flatten(), mean, atol=1e-5)


def test_weights_of_an_exact_combination_are_found(shared_mixture, known) -> None:
    calibrated, _ = estimate(shared_mixture, known, BudCache(MASK, "velocity"), "history")
    first = calibrated.priors[1]["velocity"]
    assert first.weights.shape == (2, 1, 3, 1, 1), "the velocity and the noise"
    assert calibrated.priors[7]["velocity"].weights.shape == (4, 1, 3, 1, 1)
    kept = tuple(torch.randn(1, 3, 8, 8) for _ in range(2))
    prior = Prior(torch.tensor([2.0, -1.0]).reshape(2, 1, 1, 1, 1), torch.tensor(0.5))
    assert torch.allclose(prior.apply(kept), 2 * kept[0] - kept[1] + 0.5, atol=1e-5)


def test_in_order_and_in_a_single_pass_agree_on_the_first_gap_step_only(shared_mixture, known) -> None:
    policy = BudCache(MASK, "velocity")
    in_order, _ = estimate(shared_mixture, known, policy, "offset")
    at_once, _ = estimate(shared_mixture, known, policy, "offset", is_single_pass=True)
    assert torch.equal(in_order.priors[1]["velocity"].offset, at_once.priors[1]["velocity"].offset)
    assert not torch.allclose(in_order.priors[2]["velocity"].offset, at_once.priors[2]["velocity"].offset)
    assert end_error(shared_mixture, known, in_order) < end_error(shared_mixture, known, at_once)


def test_branches_and_places_of_tokens_have_priors_of_their_own(model) -> None:
    known = tuple(run_known(model, [(prompt, seed)], 4) for prompt, seed in PROMPTS[:2])
    calibrated, _ = estimate(model, known, BudCache((0, 2), "stack"), "scale")
    prior = calibrated.priors[1]["rows/stack"]
    assert prior.weights.shape == (1, 2, 1, 32)
    assert not torch.allclose(prior.offset[0], prior.offset[1])


def test_a_policy_without_a_prior_for_a_step_reuses_as_below() -> None:
    kept = ({"velocity": torch.ones(1, 3, 2, 2)},)
    assert Calibrated(BudCache((0,), "stack"), {}).restore(1, kept) == kept[0]
